"""A closed track: its centre line by arc length, and the widths to both sides."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from worker_service.simulators.racetrack.track_checks import check_track

Floats = NDArray[np.float64]

SPACING_METRES = 1.0

STATION = np.dtype(
    [(name, np.float64) for name in ("x", "y", "heading", "curvature", "left_width", "right_width")],
    align=True,
)
"""One sample of the centre line: metres, radians, 1/metres."""


def resample(points: Floats, stations: int) -> Floats:
    """Space the points of a closed line evenly by arc length.

    Args:
        points: float64 [M, D], columns 0 and 1 being x and y; the first is not repeated.
        stations: how many points to return.

    Returns:
        float64 [stations, D], from the same first point; the other columns are interpolated too.
    """
    closed = np.vstack([points, points[:1]])
    steps = np.hypot(*np.diff(closed[:, :2], axis=0).T)
    arc = np.concatenate([[0.0], np.cumsum(steps)])
    targets = np.arange(stations) * (arc[-1] / stations)
    return np.stack([np.interp(targets, arc, column) for column in closed.T], axis=1)


@dataclass(frozen=True, eq=False)
class Track:
    """A closed circuit, sampled evenly along its centre line.

    Station 0 is the start line and stations follow the driving direction. Arc length is that of
    the polygon through the stations, which lie about a metre apart.

    Args:
        name: what people call it.
        centre_line: float64 [N, 2], x and y in metres, evenly spaced.
        left_width, right_width: float64 [N], metres from the centre line to the edges.

    Raises:
        ValueError: the line is not finite, evenly spaced and of a sensible length, a width is
            not positive, or the edges cross.
    """

    name: str
    centre_line: Floats
    left_width: Floats
    right_width: Floats

    def __post_init__(self) -> None:
        check_track(self)
        for array in (self.centre_line, self.left_width, self.right_width):
            array.setflags(write=False)

    @classmethod
    def from_points(
        cls,
        name: str,
        points: ArrayLike,
        left_width: ArrayLike,
        right_width: ArrayLike,
    ) -> "Track":
        """Resample an unevenly spaced line to stations a metre apart.

        Args:
            name: what people call it.
            points: [M, 2], x and y in metres of the closed centre line, the first not repeated.
            left_width, right_width: metres, [M] or a number.
        """
        line = np.asarray(points, np.float64)
        columns = [np.broadcast_to(np.asarray(w, np.float64), len(line)) for w in (left_width, right_width)]
        steps = np.hypot(*np.diff(np.vstack([line, line[:1]]), axis=0).T)
        stations = max(4, round(float(steps.sum()) / SPACING_METRES))
        rows = resample(np.column_stack([line, *columns]), stations)
        # Once more: chords across the bends of an uneven line are shorter than its arcs.
        rows = resample(rows, stations)
        return cls(name, rows[:, :2].copy(), rows[:, 2].copy(), rows[:, 3].copy())

    @cached_property
    def length_metres(self) -> float:
        """Length of the centre line."""
        return float(self._steps.sum())

    @cached_property
    def spacing_metres(self) -> float:
        """Arc length from one station to the next."""
        return self.length_metres / len(self.centre_line)

    @cached_property
    def _steps(self) -> Floats:
        following = np.roll(self.centre_line, -1, axis=0)
        return np.asarray(np.hypot(*(following - self.centre_line).T))

    @cached_property
    def heading(self) -> Floats:
        """Direction of the centre line [N], radians, continuous from station to station."""
        tangent = np.roll(self.centre_line, -1, axis=0) - np.roll(self.centre_line, 1, axis=0)
        return np.unwrap(np.arctan2(tangent[:, 1], tangent[:, 0]))

    @cached_property
    def turn_radians(self) -> float:
        """What one lap adds to the heading: 2 pi anticlockwise, -2 pi clockwise."""
        step = self.heading[0] - self.heading[-1]
        closing = (step + np.pi) % (2.0 * np.pi) - np.pi
        return float(self.heading[-1] + closing - self.heading[0])

    @cached_property
    def curvature(self) -> Floats:
        """Of the centre line [N], 1/metres, positive to the left."""
        before = np.concatenate([[self.heading[-1] - self.turn_radians], self.heading[:-1]])
        after = np.concatenate([self.heading[1:], [self.heading[0] + self.turn_radians]])
        return np.asarray((after - before) / (2.0 * self.spacing_metres))

    @cached_property
    def normal(self) -> Floats:
        """Unit vectors to the left [N, 2]."""
        return np.stack([-np.sin(self.heading), np.cos(self.heading)], axis=1)

    @property
    def left_edge(self) -> Floats:
        """[N, 2], metres."""
        return np.asarray(self.centre_line + self.left_width[:, None] * self.normal)

    @property
    def right_edge(self) -> Floats:
        """[N, 2], metres."""
        return np.asarray(self.centre_line - self.right_width[:, None] * self.normal)

    @cached_property
    def stations(self) -> NDArray[Any]:
        """The samples as compiled functions take them: structured array [N + 1] of `STATION`.

        The last is the first again, a lap further on in heading.
        """
        table = np.zeros(len(self.centre_line) + 1, STATION)
        for name, column in (
            ("x", self.centre_line[:, 0]),
            ("y", self.centre_line[:, 1]),
            ("heading", self.heading),
            ("curvature", self.curvature),
            ("left_width", self.left_width),
            ("right_width", self.right_width),
        ):
            table[name][:-1] = column
            table[name][-1] = column[0]
        table["heading"][-1] = self.heading[0] + self.turn_radians
        return table
