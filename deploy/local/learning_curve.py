"""The picture of learning: how evaluations went over training time."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from deploy.local.style import ACCENT, FAINT, INK, SECOND, STYLE, draw_heading, save

Line = Mapping[str, Any]

WIDTH_INCHES: Final = 9.0
PANEL_INCHES: Final = 3.1

LAP_PANEL_SPAN: Final = 2.5
"""The lap panel reaches to this multiple of the best lap: a first crawl must not flatten the rest."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Course:
    """What evaluations and progress recorded.

    Attributes:
        evaluations: lines of evaluations.jsonl.
        progress: lines of progress.jsonl.
        first_lap_seconds: training time until the first lap; None without one.
        optimum_lap_seconds: the least possible; None where it is not known.
    """

    evaluations: Sequence[Line]
    progress: Sequence[Line]
    first_lap_seconds: float | None = None
    optimum_lap_seconds: float | None = None

    @property
    def has_laps(self) -> bool:
        """Whether any evaluation began a lap."""
        return any(line["clean_fraction"] is not None for line in self.evaluations)


def read_lines(path: Path) -> list[Line]:
    """The objects of a file of JSON lines; none if there is no such file.

    Raises:
        ValueError: a line other than an unfinished last one is not JSON.
    """
    if not path.exists():
        return []
    texts = path.read_text().splitlines(keepends=True)
    # A writer that was killed leaves half a line.
    return [json.loads(text) for text in texts if text.endswith("\n")]


def draw_learning_curve(path: Path, course: Course, *, title: str, subtitle: str) -> None:
    """Draws the course into the PNG file `path`: lap times, where there are laps, above mean returns.

    Raises:
        OSError: the file cannot be written.
    """
    panels = 2 if course.has_laps else 1
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_INCHES, PANEL_INCHES * panels + 1.4), layout="constrained")
        grid = figure.subplots(panels, 1, sharex=True, squeeze=False)[:, 0]
        if course.has_laps:
            _draw_laps(grid[0], course)
        _draw_returns(grid[-1], course)
        for axes in grid:
            if course.first_lap_seconds is not None:
                axes.axvline(course.first_lap_seconds / 60, color=FAINT, linewidth=0.9, dashes=(2, 2), zorder=1)
        _draw_transitions_axis(grid[0], course.progress)
        end = max((line["training_seconds"] for line in course.progress), default=60.0)
        grid[-1].set_xlim(0.0, max(end, *(line["wall_seconds"] for line in course.evaluations), 1.0) / 60)
        grid[-1].set_xlabel("training time (minutes)")
        draw_heading(figure, grid[0], title, subtitle)
        save(figure, path)


def _draw_laps(axes: Axes, course: Course) -> None:
    minutes = np.array([line["wall_seconds"] / 60 for line in course.evaluations])
    laps = np.array([line["best_lap_seconds"] or np.nan for line in course.evaluations], float)
    clean = np.array([line["clean_fraction"] == 1.0 for line in course.evaluations])
    timed = ~np.isnan(laps)
    top = None
    if timed.any():
        fastest = np.fmin.accumulate(laps)
        low = float(np.nanmin([fastest[-1], course.optimum_lap_seconds or np.nan]))
        top = min(float(np.nanmax(laps)) * 1.03, LAP_PANEL_SPAN * float(fastest[-1]))
        axes.set_ylim(low - 0.1 * (top - low), top)
        axes.plot(
            minutes, fastest, color=ACCENT, linewidth=1.6, drawstyle="steps-post", label="fastest so far", zorder=2
        )
        shown = timed & clean
        axes.scatter(minutes[shown], laps[shown], s=20, color=ACCENT, label="every lap completed", zorder=3)
        shown = timed & ~clean
        axes.scatter(
            minutes[shown], laps[shown], s=20, facecolors="white", edgecolors=ACCENT, label="some laps lost", zorder=3
        )
    # No lap time to place these by: they stand on the upper edge.
    axes.scatter(
        minutes[~timed],
        np.ones(int((~timed).sum())),
        transform=axes.get_xaxis_transform(),
        s=22,
        marker="x",
        linewidths=1.0,
        color=SECOND,
        clip_on=False,
        label="no lap completed",
        zorder=3,
    )
    if course.optimum_lap_seconds is not None:
        axes.axhline(course.optimum_lap_seconds, color=INK, linewidth=1.0, dashes=(5, 3), zorder=1)
        axes.annotate(
            f"optimum {course.optimum_lap_seconds:.2f} s",
            (1.0, course.optimum_lap_seconds),
            xycoords=("axes fraction", "data"),
            xytext=(-4, -4),
            textcoords="offset points",
            ha="right",
            va="top",
            color=INK,
            fontsize=9,
        )
    axes.set_ylabel("best lap of an evaluation (s)")
    axes.legend(loc="upper right", fontsize=9)


def _draw_returns(axes: Axes, course: Course) -> None:
    minutes = [line["wall_seconds"] / 60 for line in course.evaluations]
    returns = [line["mean_return"] for line in course.evaluations]
    axes.plot(minutes, returns, color=ACCENT, linewidth=1.0, alpha=0.5, zorder=2)
    axes.scatter(minutes, returns, s=14, color=ACCENT, zorder=3)
    if course.first_lap_seconds is not None:
        axes.annotate(
            f"first lap at {course.first_lap_seconds:.0f} s",
            (course.first_lap_seconds / 60, 0.03),
            xycoords=("data", "axes fraction"),
            xytext=(4, 0),
            textcoords="offset points",
            color=FAINT,
            fontsize=9,
        )
    axes.set_ylabel("mean return of an evaluation")
    if not returns:
        axes.annotate(
            "no evaluation was completed", (0.5, 0.5), xycoords="axes fraction", ha="center", color=FAINT, fontsize=11
        )


def _draw_transitions_axis(axes: Axes, progress: Sequence[Line]) -> None:
    """A second scale above `axes`: transitions taken in by then."""
    points = [(line["training_seconds"] / 60, line["transitions"]) for line in progress if line["transitions"] > 0]
    if len(points) < 2:
        return
    minutes, transitions = (np.array(column, float) for column in zip(*[(0.0, 0.0), *points], strict=True))
    # Strictly growing, so that the scale can be read both ways.
    transitions = np.maximum.accumulate(transitions) + 1e-6 * np.arange(len(transitions))
    minutes = np.maximum.accumulate(minutes) + 1e-9 * np.arange(len(minutes))
    per_minute = transitions[-1] / minutes[-1]

    def forward(values: Any) -> Any:
        beyond = np.maximum(np.asarray(values) - minutes[-1], 0.0) * per_minute
        return np.interp(values, minutes, transitions) + beyond

    def backward(values: Any) -> Any:
        beyond = np.maximum(np.asarray(values) - transitions[-1], 0.0) / per_minute
        return np.interp(values, transitions, minutes) + beyond

    above = axes.secondary_xaxis("top", functions=(forward, backward))
    above.set_xlabel("transitions")
    above.xaxis.set_major_formatter(EngFormatter(sep=""))
