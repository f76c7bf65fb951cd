"""The picture of a lap: the track from above and the line driven, coloured by speed."""

from pathlib import Path
from typing import Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from deploy.local.style import INK, STYLE, draw_heading, save
from deploy.local.trace import Trace
from worker_service.simulators.racetrack.track import Track

Floats = NDArray[np.float64]

KILOMETRES_PER_HOUR: Final = 3.6
"""In one metre per second."""

WIDTH_INCHES: Final = 9.0
SURFACE: Final = "#e2e2e2"
EDGE: Final = "#6f6f6f"
SPEEDS: Final = "plasma"
"""Colour map of speeds: even steps in lightness, also for the colour-blind."""

SCALE_BAR_METRES: Final = (10, 20, 50, 100, 200, 500, 1000)
"""Lengths a scale bar may have."""


def draw_racing_line(
    path: Path, track: Track, trace: Trace, optimum: Floats | None = None, *, title: str, subtitle: str
) -> None:
    """Draws `trace` on `track` into the PNG file `path`, and beside it the optimal line [N, 2], where it is known.

    Raises:
        OSError: the file cannot be written.
    """
    turn = _landscape_rotation(track.centre_line)
    edges = [np.vstack([edge, edge[:1]]) @ turn for edge in (track.left_edge, track.right_edge)]
    low, high = np.vstack(edges).min(axis=0), np.vstack(edges).max(axis=0)
    width, height = (high - low).tolist()
    with mpl.rc_context(STYLE):
        shape = max(0.35, min(1.1, height / width))
        figure = Figure(figsize=(WIDTH_INCHES, WIDTH_INCHES * 0.92 * shape + 1.5), layout="constrained")
        axes = figure.add_subplot()
        _draw_track(axes, track, edges, turn)
        if optimum is not None:
            _draw_optimum(axes, optimum @ turn)
        line = _draw_line(axes, trace, turn)
        margin = 0.02 * max(width, height)
        axes.set_xlim(low[0] - margin, high[0] + margin)
        axes.set_ylim(low[1] - 3 * margin, high[1] + margin)
        axes.set_aspect("equal")
        axes.set_axis_off()
        _draw_scale_bar(axes, width, low - np.array([0.0, 2 * margin]))
        bar = figure.colorbar(line, ax=axes, orientation="horizontal", shrink=0.55, aspect=42, pad=0.01)
        bar.set_label("speed (km/h)")
        bar.outline.set_visible(False)
        draw_heading(figure, axes, title, subtitle)
        save(figure, path)


def _draw_track(axes: Axes, track: Track, edges: list[Floats], turn: Floats) -> None:
    left, right = edges
    surface = np.vstack([left, right[::-1]])
    axes.fill(*surface.T, color=SURFACE, linewidth=0, zorder=0)
    for edge in edges:
        axes.plot(*edge.T, color=EDGE, linewidth=0.9, zorder=1)
    centre = np.vstack([track.centre_line, track.centre_line[:1]]) @ turn
    axes.plot(*centre.T, color=EDGE, linewidth=0.5, alpha=0.6, dashes=(6, 5), zorder=1)
    # The start line reaches a little over both edges, the arrow beside it points in the driving direction.
    across = left[0] - right[0]
    ends = np.stack([right[0] - 0.35 * across, left[0] + 0.35 * across])
    axes.plot(*ends.T, color=INK, linewidth=2.4, solid_capstyle="butt", zorder=4)
    ahead = (track.centre_line[1] - track.centre_line[0]) @ turn
    ahead /= np.hypot(*ahead)
    tail = left[0] + 0.9 * across
    axes.annotate(
        "",
        xy=tuple(tail + ahead * 4.0 * np.hypot(*across)),
        xytext=tuple(tail),
        arrowprops={"arrowstyle": "-|>", "color": INK, "linewidth": 1.2, "shrinkA": 0, "shrinkB": 0},
        zorder=4,
    )


def _draw_optimum(axes: Axes, points: Floats) -> None:
    closed = np.vstack([points, points[:1]])
    # Above the driven line, which would hide it where the two agree.
    axes.plot(*closed.T, color=INK, linewidth=0.7, zorder=3.5, label="optimal line")
    axes.legend(loc="lower right", fontsize=9, frameon=False)


def _draw_line(axes: Axes, trace: Trace, turn: Floats) -> LineCollection:
    points = trace.points @ turn
    speed = KILOMETRES_PER_HOUR * trace.speed_metres_per_second
    segments = np.stack([points[:-1], points[1:]], axis=1)
    line = LineCollection(list(segments), cmap=SPEEDS, linewidths=2.6, capstyle="round", zorder=3)
    line.set_array(0.5 * (speed[:-1] + speed[1:]))
    axes.add_collection(line)
    return line


def _draw_scale_bar(axes: Axes, width_metres: float, corner: Floats) -> None:
    length = max((metres for metres in SCALE_BAR_METRES if metres <= width_metres / 5), default=SCALE_BAR_METRES[0])
    axes.plot([corner[0], corner[0] + length], [corner[1], corner[1]], color=INK, linewidth=1.6, solid_capstyle="butt")
    axes.annotate(
        f"{length} m",
        (corner[0] + length, corner[1]),
        xytext=(5, 0),
        textcoords="offset points",
        va="center",
        color=INK,
    )


def _landscape_rotation(points: Floats) -> Floats:
    """The rotation [2, 2], for row vectors, that lays the longer side of a line along x."""
    _, _, axes = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    x, y = axes[0]
    if x < 0:
        # Of the two ways to lie along x, the one that turns the map less.
        x, y = -x, -y
    return np.array([[x, -y], [y, x]])
