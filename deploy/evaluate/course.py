"""The course of a lap, driven or optimal: place, speed and time over the distance along the centre line."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker_service.simulators.racetrack.optimum import Optimum

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Course:
    """A flying lap from line to line.

    Attributes:
        distance_metres: float64 [N], along the centre line, from 0 to its length, never falling.
        elapsed_seconds: float64 [N], from 0 to the lap time.
        points: float64 [N, 2], x and y in metres.
        speed_metres_per_second: float64 [N].
    """

    distance_metres: Floats
    elapsed_seconds: Floats
    points: Floats
    speed_metres_per_second: Floats

    def lost_seconds(self, other: "Course") -> Floats:
        """How much later than `other` this lap is at each of its points: float64 [N], starting at 0."""
        there = np.interp(self.distance_metres, other.distance_metres, other.elapsed_seconds)
        return np.asarray(self.elapsed_seconds - there)


def optimal_course(optimum: Optimum, length_metres: float) -> Course:
    """The optimal flying lap, closed at the line, around a track of this length."""
    line = optimum.line
    speed = np.hypot(line.forward_metres_per_second, line.sideways_metres_per_second)
    rows = np.column_stack([line.arc_metres, line.time_seconds, line.x_metres, line.y_metres, speed])
    rows = rows[(rows[:, 0] >= 0.0) & (rows[:, 0] < length_metres)]
    closed = np.vstack([rows, [length_metres, optimum.flying_lap_seconds, *rows[0, 2:]]])
    return Course(
        distance_metres=closed[:, 0],
        elapsed_seconds=closed[:, 1],
        points=closed[:, 2:4],
        speed_metres_per_second=closed[:, 4],
    )
