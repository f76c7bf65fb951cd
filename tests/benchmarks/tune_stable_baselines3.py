"""The search for the settings of stable-baselines3's SAC that learn fastest on the embedded car.

    python -m tests.benchmarks.tune_stable_baselines3 --names defaults n_step_5

Each candidate learns for some CPU seconds on one thread. A JSON line each goes to results/tune_stable_baselines3.json,
in place of what an earlier search left of that candidate and seed; `seconds` is the time to a lap within `ratio`.
`CANDIDATES` is the search's log: each took what had helped before it and changed a little.
"""

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import tyro

from deploy.local.learning_curve import read_lines
from tests.benchmarks.rows import RESULTS, write_rows
from tests.benchmarks.time_to_ratio import best_so_far, seconds_to_ratio
from tests.benchmarks.versus_stable_baselines3 import read_evaluations

SMALL: Final = "gamma=0.97 n_envs=8 gradient_steps=4 batch_size=128 net_arch=128,128 learning_starts=1000"
FIVE: Final = f"{SMALL} n_steps=5"
MANY: Final = f"{FIVE} n_envs=32 learning_starts=2000"
FAST: Final = f"{MANY} ent_coef=auto_0.1 learning_rate=3e-3"

CANDIDATES: Final = {
    "defaults": "",
    "small": f"{SMALL} learning_rate=7e-4 ent_coef=auto_0.01",
    "n_step_5": f"{FIVE} learning_rate=7e-4 ent_coef=auto_0.1",
    "many": f"{MANY} learning_rate=7e-4 ent_coef=auto_0.1",
    "rate_1.5e-3": f"{MANY} ent_coef=auto_0.1 learning_rate=1.5e-3",
    "rate_3e-3": FAST,
    "rate_5e-3": f"{FAST} learning_rate=5e-3",
    "batch_256": f"{FAST} batch_size=256",
    "normalised": f"{FAST} normalise=True",
    "less_entropy": f"{FAST} ent_coef=auto_0.01",
    "tau_0.02": f"{FAST} ent_coef=auto_0.01 tau=0.02",
    "wide": f"{FAST} ent_coef=auto_0.01 net_arch=256,256",
    "n_step_3": f"{FAST} ent_coef=auto_0.01 n_steps=3",
    "sde": f"{FAST} ent_coef=auto_0.01 use_sde=True",
    "two_threads": f"{FAST} ent_coef=auto_0.01 torch_threads=2",
}


@dataclass(frozen=True, kw_only=True)
class Flags:
    """What to try."""

    names: tuple[str, ...] = tuple(CANDIDATES)
    seeds: tuple[int, ...] = (0,)
    seconds: float = 55.0
    """CPU seconds a candidate."""
    ratio: float = 1.10
    """Lap ratio that ends a run."""
    output: Path = RESULTS / "tune_stable_baselines3.json"


def attempt(name: str, seed: int, flags: Flags) -> dict[str, Any]:
    """One candidate's run as a row."""
    command = [sys.executable, "-m", "tests.benchmarks.sac_of_stable_baselines3", "--clock", "cpu"]
    command += ["--seconds", str(flags.seconds), "--seed", str(seed), "--stop-at-ratio", str(flags.ratio)]
    command += ["--evaluation-period-seconds", "2", "--set", "torch_threads=1", *CANDIDATES[name].split()]
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as file:
        subprocess.run(command, stdout=file, check=True)
        lines = read_lines(Path(file.name))
        attempts, effort = read_evaluations(Path(file.name))
    curve = best_so_far(attempts)
    return {
        "name": name,
        "seed": seed,
        "seconds": seconds_to_ratio(attempts, flags.ratio),
        "first_lap_seconds": seconds_to_ratio(attempts),
        "best_lap_ratio": round(curve[-1][1], 4) if curve else None,
        "best_return": max(line["return"] for line in lines[1:]),
        "cpu_seconds": round(attempts[-1].seconds, 1),
        **effort,
        "settings": CANDIDATES[name],
    }


def main(flags: Flags) -> None:
    """Tries, prints and keeps."""
    kept = {(row["name"], row["seed"]): row for row in read_lines(flags.output)}
    for name in flags.names:
        for seed in flags.seeds:
            row = attempt(name, seed, flags)
            print(json.dumps(row), flush=True)
            kept[name, seed] = row
            write_rows(flags.output, kept.values())


if __name__ == "__main__":
    main(tyro.cli(Flags, description=__doc__))
