"""What matters to learning: one setting changed at a time, over several seeds, for equal updates.

    python -m tests.benchmarks.ablation --seeds 0 1 2
    python -m tests.benchmarks.ablation --variables n_step critic --updates 60000

Each run is `learn_in_process` on one thread, with the defaults but for one setting, judged every few thousand updates
by the deterministic policy's flying laps from the same random starts. A JSON line each goes to results/ablation.json,
and medians over seeds to results/ablation.md. What is there already is not run again, so the script can be stopped
and started at will; runs with other updates are other rows.
"""

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import tyro

from deploy.local.learning_curve import read_lines
from tests.benchmarks.rows import RESULTS, write_rows
from tests.benchmarks.time_to_ratio import median_seconds

VARIABLES: Final[Mapping[str, Mapping[str, str]]] = {
    "defaults": {"defaults": ""},
    "n_step": {str(n): f"--sac.n-step {n}" for n in (1, 3, 8)},
    "critic": {
        "quantile": "--sac.critic quantile",
        "mean squared": "--sac.critic mean_squared",
    },
    "normalisation": {
        "observations as they are": "--sac.no-observation-normalisation",
        "no return scale": "--sac.no-return-normalisation",
        "no layer norm": "--sac.no-layer-norm",
    },
    "starts": {"standing": "--env-args start=standing"},
    "exploration": {
        "white noise": "--hold-steps 1",
        "held 16 steps": "--hold-steps 16",
        "one scale": "--scales 1.0",
        "wide ladder": "--scales 0.3 0.7 1.0 2.0",
    },
    "samples_per_insert": {str(samples): f"--samples-per-insert {samples}" for samples in (8, 32, 64)},
    "discount": {str(discount): f"--sac.discount {discount}" for discount in (0.95, 0.98, 0.99)},
    "batch_size": {str(size): f"--sac.batch-size {size}" for size in (64, 256)},
    "action_stretch": {"none": "--sac.action-stretch 1.0"},
    "critic_action_scale": {"none": "--sac.critic-action-scale 1.0"},
    "decay": {"none": "--sac.learning-rate-decay-updates 0"},
}
"""Of each variable its values beside the default, as flags of `learn_in_process`."""

EVALUATION: Final = "--evaluation-args start=random laps=3 --evaluation-episodes 3"

RATIO: Final = 1.10
"""Of a lap to the optimum: whose first lap is timed."""

LAST_EVALUATIONS: Final = 3
"""Whose median stands for the run's end."""

UNLIMITED_SECONDS: Final = "1e9"


@dataclass(frozen=True, kw_only=True)
class Flags:
    """What to run."""

    variables: tuple[str, ...] = tuple(VARIABLES)
    seeds: tuple[int, ...] = (0, 1, 2)
    updates: int = 60_000
    """Of each run."""
    evaluation_period_updates: int = 2_500
    track: str = "larkfield"
    output: Path = RESULTS / "ablation.json"
    """Takes the rows; the table goes beside it, as Markdown."""

    def __post_init__(self) -> None:
        unknown = sorted(set(self.variables) - set(VARIABLES))
        if unknown:
            raise ValueError(f"variables has {', '.join(unknown)}; it must be of {', '.join(VARIABLES)}")


def command(flags: Flags, settings: str, seed: int) -> list[str]:
    """Of one run."""
    words = f"--seed {seed} --seconds {UNLIMITED_SECONDS} --max-updates {flags.updates} --sac.device cpu {EVALUATION}"
    words += f" --evaluation-period-updates {flags.evaluation_period_updates}"
    # Arguments of the environment come as one flag: the variant's stand behind the track.
    arguments = f"--env-args track={flags.track}"
    rest = settings.replace("--env-args", arguments) if "--env-args" in settings else f"{arguments} {settings}"
    return [sys.executable, "-m", "tests.benchmarks.learn_in_process", *words.split(), *rest.split()]


def figures(result: Mapping[str, Any]) -> dict[str, Any]:
    """What a run's JSON says: lap ratios are those of medians over an evaluation's laps; None where no lap came."""
    history: Sequence[Mapping[str, Any]] = result["history"]
    ratios = [(line["updates"], line.get("median_lap_ratio")) for line in history]
    within = [updates for updates, ratio in ratios if ratio is not None and ratio <= RATIO]
    return {
        "updates_to_ratio": within[0] if within else None,
        "best_lap_ratio": result["best_lap"].get("lap_ratio"),
        "final_lap_ratio": median_seconds([ratio for _, ratio in ratios[-LAST_EVALUATIONS:]]),
        "steps": result["steps"],
        "updates": result["updates"],
        "seconds": round(result["seconds"], 1),
        "updates_per_second": round(result["updates_per_second"], 1),
    }


def run(flags: Flags, variable: str, value: str, seed: int) -> dict[str, Any]:
    """One run as a row.

    Raises:
        CalledProcessError: it failed; its words are on standard error.
    """
    settings = VARIABLES[variable][value]
    output = subprocess.run(command(flags, settings, seed), stdout=subprocess.PIPE, text=True, check=True).stdout
    result = json.loads(output.splitlines()[-1])
    return {
        "variable": variable,
        "value": value,
        "seed": seed,
        "asked_updates": flags.updates,
        "track": flags.track,
        **figures(result),
        "settings": settings,
    }


def key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """What makes a row one of its own."""
    return tuple(row[name] for name in ("variable", "value", "seed", "asked_updates", "track"))


def table(rows: Iterable[Mapping[str, Any]]) -> str:
    """Markdown: medians over seeds, with the least and the largest beside them; a dash where the median has no lap."""
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["track"], row["asked_updates"], row["variable"], row["value"]), []).append(row)
    lines = [
        f"| track | updates | variable | value | seeds | lap ratio at the end | best | updates to {RATIO:.2f} |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (track, updates, variable, value), group in groups.items():
        cells = [track, f"{updates:,}", variable, value, str(len(group))]
        cells += [_spread([row[name] for row in group], ".4f") for name in ("final_lap_ratio", "best_lap_ratio")]
        cells.append(_spread([row["updates_to_ratio"] for row in group], ",.0f"))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _spread(values: Sequence[float | None], form: str) -> str:
    middle = median_seconds(values)
    if middle is None:
        return "-"
    known = [value for value in values if value is not None]
    high = "-" if len(known) < len(values) else f"{max(known):{form}}"
    return f"{middle:{form}} ({min(known):{form}} to {high})"


def main(flags: Flags) -> None:
    """Runs what is missing, seed by seed, so that a table over all variables is there early."""
    kept = {key(row): row for row in read_lines(flags.output)}
    for seed in flags.seeds:
        for variable in flags.variables:
            for value in VARIABLES[variable]:
                wanted = (variable, value, seed, flags.updates, flags.track)
                if wanted in kept:
                    continue
                row = run(flags, variable, value, seed)
                print(json.dumps(row), flush=True)
                kept[wanted] = row
                write_rows(flags.output, kept.values())
                flags.output.with_suffix(".md").write_text(table(kept.values()))


if __name__ == "__main__":
    main(tyro.cli(Flags, description=__doc__))
