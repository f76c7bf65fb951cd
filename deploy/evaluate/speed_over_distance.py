"""The picture of speed: driven and optimal over the distance, and the time lost on the way."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deploy.evaluate.course import Course
from deploy.pictures.racing_line import KILOMETRES_PER_HOUR
from deploy.pictures.style import ACCENT, FAINT, INK, SECOND, STYLE, draw_heading, save

WIDTH_INCHES: Final = 11.0
SPEED_INCHES: Final = 3.6
LOSS_INCHES: Final = 2.0


def draw_speed_over_distance(
    path: Path, lap: Course, others: Sequence[Course], optimal: Course | None, *, title: str, subtitle: str
) -> None:
    """Draws the speeds of `lap` and, fainter, of `others` into the PNG file `path`, above the time lost to `optimal`.

    Raises:
        OSError: the file cannot be written.
    """
    with mpl.rc_context(STYLE):
        heights = [SPEED_INCHES, LOSS_INCHES] if optimal else [SPEED_INCHES]
        figure = Figure(figsize=(WIDTH_INCHES, sum(heights) + 1.2), layout="constrained")
        grid = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
        _draw_speeds(grid[0], lap, others, optimal)
        if optimal is not None:
            _draw_loss(grid[1], lap, others, optimal)
        grid[-1].set_xlim(0.0, float(lap.distance_metres[-1]))
        grid[-1].set_xlabel("distance along the centre line (m)")
        figure.align_ylabels(grid)
        draw_heading(figure, grid[0], title, subtitle)
        save(figure, path)


def _draw_speeds(axes: Axes, lap: Course, others: Sequence[Course], optimal: Course | None) -> None:
    def draw(course: Course, **look: object) -> None:
        axes.plot(course.distance_metres, KILOMETRES_PER_HOUR * course.speed_metres_per_second, **look)  # type: ignore[arg-type]

    if optimal is not None:
        draw(optimal, color=INK, linewidth=1.2, dashes=(5, 2), label="optimal", zorder=3)
    for number, other in enumerate(others):
        label = "the other policies" if number == 0 else None
        draw(other, color=FAINT, linewidth=0.8, alpha=0.45, label=label, zorder=2)
    draw(lap, color=ACCENT, linewidth=1.8, label="driven", zorder=4)
    axes.set_ylim(bottom=0.0)
    axes.margins(y=0.12)
    axes.set_ylabel("speed (km/h)")
    axes.legend(loc="lower right", fontsize=9, ncols=3)


def _draw_loss(axes: Axes, lap: Course, others: Sequence[Course], optimal: Course) -> None:
    for other in others:
        axes.plot(other.distance_metres, other.lost_seconds(optimal), color=FAINT, linewidth=0.8, alpha=0.45, zorder=2)
    lost = lap.lost_seconds(optimal)
    axes.fill_between(lap.distance_metres, 0.0, lost, color=SECOND, alpha=0.12, linewidth=0, zorder=1)
    axes.plot(lap.distance_metres, lost, color=SECOND, linewidth=1.8, zorder=4)
    axes.axhline(0.0, color=INK, linewidth=0.8, zorder=1)
    axes.annotate(
        f"{lost[-1]:+.2f} s",
        (lap.distance_metres[-1], lost[-1]),
        xytext=(6, 0),
        textcoords="offset points",
        va="center",
        color=SECOND,
        fontweight="bold",
        annotation_clip=False,
    )
    span = max(float(np.abs(lost).max()), 1e-3)
    axes.set_ylim(min(0.0, float(lost.min())) - 0.05 * span, max(0.0, float(lost.max())) + 0.15 * span)
    axes.set_ylabel("time lost to\nthe optimum (s)")
