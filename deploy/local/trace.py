"""A trace: where a car was and how fast, step by step, as `worker_service.drive --trace` writes it."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

COLUMNS: Final = ("x_metres", "y_metres", "speed_metres_per_second")
"""What is read of each step."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Trace:
    """Points driven one after the other in one episode.

    Attributes:
        points: float64 [N, 2], x and y in metres.
        speed_metres_per_second: float64 [N].
        lap_seconds: time of the lap these points are; None if they are no complete lap.
    """

    points: Floats
    speed_metres_per_second: Floats
    lap_seconds: float | None

    @property
    def standing_start(self) -> bool:
        """Whether the car stood at the first point."""
        return bool(self.speed_metres_per_second[0] == 0.0)


def read_traces(path: Path) -> list[Trace]:
    """All laps of a trace file, and last what was driven after the last of them, if anything.

    Raises:
        ValueError: a column is missing or a number is none.
        OSError: the file cannot be read.
    """
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    missing = {"episode", "lap_seconds", *COLUMNS} - set(reader.fieldnames or ())
    if missing:
        raise ValueError(f"{path} lacks the columns {sorted(missing)}; it must be a trace of worker_service.drive")
    traces: list[Trace] = []
    stretch: list[dict[str, str]] = []
    for row in rows:
        if stretch and row["episode"] != stretch[-1]["episode"]:
            if len(stretch) > 1:
                traces.append(_trace(stretch, None))
            stretch = []
        stretch.append(row)
        if row["lap_seconds"]:
            traces.append(_trace(stretch, float(row["lap_seconds"])))
            # The line was crossed within this step: its end is the next lap's first point too.
            stretch = [row]
    if len(stretch) > 1:
        traces.append(_trace(stretch, None))
    return traces


def best_trace(traces: list[Trace]) -> Trace | None:
    """The fastest lap; without one the longest stretch; None if there is nothing."""
    laps = [trace for trace in traces if trace.lap_seconds is not None]
    if laps:
        return min(laps, key=lambda trace: trace.lap_seconds or 0.0)
    return max(traces, key=lambda trace: len(trace.points), default=None)


def _trace(rows: list[dict[str, str]], lap_seconds: float | None) -> Trace:
    table = np.array([[float(row[name]) for name in COLUMNS] for row in rows])
    return Trace(points=table[:, :2], speed_metres_per_second=table[:, 2], lap_seconds=lap_seconds)
