"""Time to lap against the number of workers, with simulators held to a wall-clock rate.

    python -m tests.benchmarks.worker_scaling --seeds 0 1 2

Each run is `python -m deploy.local` whose collecting workers step at most `rate` times a second (see `pacing`); its
evaluator drives at full speed. Training is bound by data: the learner trains exactly `samples_per_insert` samples for
each transition and waits for more, so that what is measured is how fast workers bring it, not how fast it computes.
Times count from the run's first chunk, plus what a chunk takes to fill at the rate, to the evaluator's report. A run
ends with a lap within the last of `RATIOS`. One worker takes the first rung of the exploration ladder, several take
all of its rungs, as in any run.

Prints a JSON line a run and a row with medians and speed-ups, kept in results/worker_scaling.json with a picture.
"""

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import tyro
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from deploy.pictures.style import ACCENT, FAINT, INK, SECOND, STYLE, draw_heading, save
from tests.benchmarks.launched_run import last_progress, launch
from tests.benchmarks.optimum import optimum_seconds
from tests.benchmarks.pacing import RATE_VARIABLE
from tests.benchmarks.rows import RESULTS, stated, write_rows
from tests.benchmarks.time_to_ratio import median_seconds, seconds_to_ratio, times_faster

CHUNK_STEPS: Final = 64
"""The learner's chunk_length."""

RATIOS: Final = {"first_lap": float("inf"), "within_1.25": 1.25, "within_1.10": 1.10}
"""What is timed: the first clean lap, and the first within a multiple of the optimum."""

COLOURS: Final = dict(zip(RATIOS, (FAINT, SECOND, ACCENT), strict=True))

DEMANDED_EFFICIENCY: Final = 0.7
"""Share of the ideal speed-up that the widest run should reach."""


DATA_BOUND_SHARE: Final = 0.95
"""Below this share of its samples per insert the learner lacked time, not data, and the run says nothing."""


@dataclass(frozen=True, kw_only=True)
class Flags:
    """What to measure."""

    workers: tuple[int, ...] = (1, 2, 4, 8)
    seeds: tuple[int, ...] = (0, 1, 2)
    rate: float = 50.0
    """Steps a second of each simulator."""
    samples_per_insert: float = 32.0
    """Samples trained for each transition; batch 128 makes this a quarter of an update."""
    minutes: float = 15.0
    """Longest run."""
    output: Path = RESULTS / "worker_scaling.json"
    """Takes the rows; the picture goes beside it."""
    keep: Path | None = None
    """Keeps the run directories here."""


def measure(flags: Flags, workers: int, seed: int, run_dir: Path) -> dict[str, Any]:
    """One run as a row."""
    learner_flags = f"--samples-per-insert-min 0 --samples-per-insert-max {flags.samples_per_insert:g}"
    options = ["--workers", str(workers), "--seed", str(seed), "--minutes", str(flags.minutes)]
    attempts = launch(
        "tests.benchmarks.paced_launch",
        [*options, f"--learner-flags={learner_flags}"],
        run_dir,
        optimum_seconds=optimum_seconds(),
        environment={RATE_VARIABLE: str(flags.rate)},
        enough=lambda attempts: seconds_to_ratio(attempts, min(RATIOS.values())) is not None,
    )
    progress = last_progress(run_dir)
    filling = CHUNK_STEPS / flags.rate
    row: dict[str, Any] = {"name": "worker_scaling", "workers": workers, "seed": seed}
    for name, ratio in RATIOS.items():
        seconds = seconds_to_ratio(attempts, ratio)
        row[f"{name}_seconds"] = None if seconds is None else round(seconds + filling, 1)
    return row | {
        "transitions": progress["transitions"],
        "transitions_per_second": round(progress["transitions"] / (progress["training_seconds"] + filling), 1),
        "updates": progress["updates"],
        "samples_per_insert": round(progress["samples_per_insert"], 1),
        "data_bound": progress["samples_per_insert"] >= DATA_BOUND_SHARE * flags.samples_per_insert,
    }


def conclude(flags: Flags, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians over seeds, and how many times faster each number of workers is than the smallest."""
    result: dict[str, Any] = {"name": "worker_scaling_speed_up", "unit": "times as fast as one worker"}
    fewest, most = min(flags.workers), max(flags.workers)
    for name in RATIOS:
        medians = {
            workers: median_seconds([row[f"{name}_seconds"] for row in rows if row["workers"] == workers])
            for workers in flags.workers
        }
        faster = {
            workers: times_faster(medians[workers], medians[fewest], 60 * flags.minutes) for workers in flags.workers
        }
        result[name] = {
            "median_seconds": medians,
            "speed_up": {workers: round(times.ratio, 2) if times else None for workers, times in faster.items()},
            "is_lower_bound": medians[fewest] is None,
        }
    return result | {
        "demanded": round(DEMANDED_EFFICIENCY * most / fewest, 2),
        "flags": stated(flags),
    }


def draw(path: Path, flags: Flags, rows: list[dict[str, Any]], result: dict[str, Any]) -> None:
    """Time over the number of workers: a dot a run, a line through medians, the ideal dashed."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.0, 5.2), layout="constrained")
        axes = figure.subplots()
        for name, colour in COLOURS.items():
            shown = [row for row in rows if row[f"{name}_seconds"] is not None]
            axes.scatter(
                [row["workers"] for row in shown],
                [row[f"{name}_seconds"] for row in shown],
                s=16,
                facecolors="white",
                edgecolors=colour,
                zorder=3,
            )
            medians = {workers: median for workers, median in result[name]["median_seconds"].items() if median}
            label = name.replace("_", " ") + (" times the optimum" if RATIOS[name] < float("inf") else "")
            axes.plot(list(medians), list(medians.values()), color=colour, marker="o", markersize=5, label=label)
            first = medians.get(min(flags.workers))
            if first is not None:
                ideal = [first * min(flags.workers) / workers for workers in flags.workers]
                axes.plot(flags.workers, ideal, color=colour, linewidth=0.9, dashes=(4, 3), zorder=1)
        axes.set_xscale("log", base=2)
        axes.set_xlim(min(flags.workers) / 1.1, 1.1 * max(flags.workers))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_yscale("log")
        if not any(result[name]["median_seconds"][workers] for name in RATIOS for workers in flags.workers):
            axes.set_ylim(1.0, 60 * flags.minutes)
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter("{x:g}")
        axes.set_xticks(flags.workers, [str(workers) for workers in flags.workers])
        axes.set_xlabel("workers")
        axes.set_ylabel("seconds until the evaluator's lap")
        axes.plot([], [], color=INK, linewidth=0.9, dashes=(4, 3), label="twice the workers, half the time")
        axes.legend(loc="upper right", fontsize=9)
        subtitle = f"simulators at {flags.rate:g} steps/s  ·  {flags.samples_per_insert:g} samples per insert"
        draw_heading(figure, axes, "Time to lap against workers", f"{subtitle}  ·  {len(flags.seeds)} seeds")
        save(figure, path)


def main(flags: Flags) -> None:
    """Measures, prints and keeps."""
    runs = flags.keep or Path(tempfile.mkdtemp(prefix="worker_scaling_"))
    rows = []
    # Seeds outermost: whatever else changes on the machine meets every number of workers.
    for seed in flags.seeds:
        for workers in flags.workers:
            rows.append(measure(flags, workers, seed, runs / f"workers-{workers}-seed-{seed}"))
            print(json.dumps(rows[-1]), flush=True)
    result = conclude(flags, rows)
    print(json.dumps(result), flush=True)
    write_rows(flags.output, [*rows, result])
    draw(flags.output.with_suffix(".png"), flags, rows, result)
    if flags.keep is None:
        shutil.rmtree(runs)


if __name__ == "__main__":
    main(tyro.cli(Flags, description=__doc__))
