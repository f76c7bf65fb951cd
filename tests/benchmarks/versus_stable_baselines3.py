"""Time to a good lap on the embedded car: `make run` against stable-baselines3's SAC, as it comes and tuned.

    make bench BENCH=versus_stable_baselines3
    python -m tests.benchmarks.versus_stable_baselines3 --minutes 8 --seeds 0 1 2

Measured is the wall-clock time to the first clean lap within 1.10 times the optimum on the default circuit, driven by
the deterministic policy in an evaluation: five episodes of three laps from random starts. All runs get the same
two cores, the same environment and the same budget, one after another, with the three sides interleaved:

- `ours`: `python -m deploy.local`, all defaults: a learner, two workers and an evaluator that share the two cores. Time
  counts from the arrival of the first chunk, which is at most 64 steps old, to that of the evaluation's result:
  evaluating costs this side its share of the cores and its delay.
- `sb3_defaults`: `SAC("MlpPolicy", environment)`, with one torch thread.
- `sb3_tuned`: the fastest settings found by `tests.benchmarks.tune_stable_baselines3`, which keeps its
  results in results/tune_stable_baselines3.json.

For stable-baselines3 time counts from the call of `learn`, and the clock stands still while it evaluates, every second
of it as often as ours publishes: evaluating costs that side nothing. Imports, compilation and construction count for
nobody.

Prints a JSON line a run and a row with medians and the ratio, kept in results/versus_stable_baselines3.json with a
picture of the best lap so far over time.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import tyro
from matplotlib.figure import Figure

from deploy.pictures.style import ACCENT, FAINT, INK, SECOND, STYLE, draw_heading, save
from tests.benchmarks.launched_run import last_progress, launch
from tests.benchmarks.optimum import optimum_seconds
from tests.benchmarks.rows import RESULTS, stated, write_rows
from tests.benchmarks.time_to_ratio import Attempt, best_so_far, median_seconds, seconds_to_ratio, times_faster

CORES: Final = 2

SIDES: Final = {"ours": ACCENT, "sb3_defaults": FAINT, "sb3_tuned": SECOND}
"""And their colours."""

LABELS: Final = {
    "ours": "distributed-l2r, make run",
    "sb3_defaults": "stable-baselines3 SAC, defaults",
    "sb3_tuned": "stable-baselines3 SAC, tuned",
}

LARGEST_RATIO_SHOWN: Final = 1.8


@dataclass(frozen=True, kw_only=True)
class Flags:
    """What to measure."""

    minutes: float = 8.0
    """Budget of a run; it is used up, for the picture's sake."""
    seeds: tuple[int, ...] = (0, 1, 2)
    ratio: float = 1.10
    """Lap time over the optimum that counts as good."""
    output: Path = RESULTS / "versus_stable_baselines3.json"
    """Takes the rows; the picture goes beside it."""
    keep: Path | None = None
    """Keeps run directories and evaluations here."""


def ours(flags: Flags, seed: int, run_dir: Path) -> tuple[list[Attempt], Mapping[str, Any]]:
    """One run of the launcher: its evaluations, and how far it came."""
    options = ["--minutes", str(flags.minutes), "--seed", str(seed)]
    attempts = launch("deploy.local", options, run_dir, optimum_seconds=optimum_seconds())
    progress = last_progress(run_dir)
    return attempts, {"steps": progress["transitions"], "updates": progress["updates"]}


def stable_baselines3(preset: str, flags: Flags, seed: int, output: Path) -> tuple[list[Attempt], Mapping[str, Any]]:
    """One run of `tests.benchmarks.sac_of_stable_baselines3`, likewise."""
    module = "tests.benchmarks.sac_of_stable_baselines3"
    options = ["--preset", preset, "--seed", str(seed), "--seconds", str(60 * flags.minutes)]
    # Its own choice of threads, whatever make sets for our processes.
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    with output.open("wb") as stream:
        subprocess.run([sys.executable, "-m", module, *options], stdout=stream, env=environment, check=True)
    return read_evaluations(output)


def read_evaluations(output: Path) -> tuple[list[Attempt], Mapping[str, Any]]:
    """What a run of stable-baselines3 printed: a line of settings, then one an evaluation."""
    lines = [json.loads(line) for line in output.read_text().splitlines()][1:]
    attempts = [Attempt(seconds=line["seconds"], lap_ratio=line["lap_ratio"]) for line in lines]
    return attempts, {"steps": lines[-1]["steps"], "updates": lines[-1]["updates"]}


def measure(side: str, flags: Flags, seed: int, folder: Path) -> dict[str, Any]:
    """One run as a row; `curve` has seconds and ratio of each improvement."""
    if side == "ours":
        attempts, effort = ours(flags, seed, folder / f"{side}-{seed}")
    else:
        attempts, effort = stable_baselines3(side.removeprefix("sb3_"), flags, seed, folder / f"{side}-{seed}.jsonl")
    seconds, first = seconds_to_ratio(attempts, flags.ratio), seconds_to_ratio(attempts)
    curve = [(round(at, 2), round(ratio, 4)) for at, ratio in best_so_far(attempts)]
    return {
        "name": "versus_stable_baselines3",
        "side": side,
        "seed": seed,
        "seconds": None if seconds is None else round(seconds, 1),
        "first_lap_seconds": None if first is None else round(first, 1),
        "best_lap_ratio": curve[-1][1] if curve else None,
        "evaluations": len(attempts),
        **effort,
        "curve": curve,
    }


def conclude(flags: Flags, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Medians over seeds, and each time of stable-baselines3 over ours."""
    budget = 60 * flags.minutes
    result: dict[str, Any] = {"name": "versus_stable_baselines3_medians", "unit": "seconds", "budget_seconds": budget}
    for figure in ("seconds", "first_lap_seconds"):
        medians = {side: median_seconds([row[figure] for row in rows if row["side"] == side]) for side in SIDES}
        compared = {
            side: times_faster(medians["ours"], median, budget) for side, median in medians.items() if side != "ours"
        }
        result[figure] = {side: "> budget" if median is None else median for side, median in medians.items()}
        result[f"{figure}_ratio"] = {
            side: times and f"{'> ' * times.is_lower_bound}{times.ratio:.2f}" for side, times in compared.items()
        }
    return result | {"optimum_seconds": round(optimum_seconds(), 3), "flags": stated(flags)}


def draw(path: Path, flags: Flags, rows: Sequence[Mapping[str, Any]]) -> None:
    """The best lap so far over time, a line a run."""
    budget = 60 * flags.minutes
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.0, 5.2), layout="constrained")
        axes = figure.subplots()
        for side, colour in SIDES.items():
            axes.plot([], [], color=colour, linewidth=1.6, label=LABELS[side])
        for row in rows:
            if row["curve"]:
                seconds, ratios = zip(*row["curve"], (budget, row["best_lap_ratio"]), strict=True)
                minutes = [value / 60 for value in seconds]
                axes.plot(minutes, ratios, color=SIDES[row["side"]], linewidth=1.4, alpha=0.8, drawstyle="steps-post")
        axes.axhline(flags.ratio, color=INK, linewidth=1.0, dashes=(5, 3), zorder=1)
        axes.set_xlim(0.0, flags.minutes)
        axes.set_ylim(1.0, LARGEST_RATIO_SHOWN)
        axes.set_xlabel("wall-clock time (minutes)")
        axes.set_ylabel("best lap so far over the optimum")
        without = [LABELS[side] for side in SIDES if not any(row["curve"] for row in rows if row["side"] == side)]
        axes.legend(loc="upper right", fontsize=9, title="\n".join(f"no lap: {label}" for label in without) or None)
        subtitle = f"{flags.minutes:g} minutes on two cores  ·  {len(flags.seeds)} seeds  ·  dashed: {flags.ratio:.2f}"
        draw_heading(figure, axes, "Time to a good lap, Racetrack-v0", subtitle)
        save(figure, path)


def main(flags: Flags) -> None:
    """Measures, prints and keeps."""
    # Inherited by all that is started from here.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    folder = flags.keep or Path(tempfile.mkdtemp(prefix="versus_stable_baselines3_"))
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for seed in flags.seeds:
        for side in SIDES:
            rows.append(measure(side, flags, seed, folder))
            print(json.dumps({name: value for name, value in rows[-1].items() if name != "curve"}), flush=True)
    result = conclude(flags, rows)
    print(json.dumps(result), flush=True)
    write_rows(flags.output, [*rows, result])
    draw(flags.output.with_suffix(".png"), flags, rows)
    if flags.keep is None:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main(tyro.cli(Flags, description=__doc__))
