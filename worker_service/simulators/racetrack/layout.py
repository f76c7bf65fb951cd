"""Tracks drawn as road builders draw them: straights and arcs."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import radians

import numpy as np
from numpy.typing import NDArray

from worker_service.simulators.racetrack.track import SPACING_METRES, Track

Floats = NDArray[np.float64]

FINE_METRES = 0.1


@dataclass(frozen=True)
class Straight:
    """A straight; without a length, it is as long as closing the circuit needs."""

    length_metres: float | None = None


@dataclass(frozen=True)
class Arc:
    """A bend of constant radius; a positive angle turns left."""

    radius_metres: float
    angle_degrees: float

    @property
    def length_metres(self) -> float:
        """Along the centre line."""
        return self.radius_metres * abs(radians(self.angle_degrees))


Segment = Straight | Arc


def track_from_layout(
    name: str,
    segments: Sequence[Segment],
    *,
    width_metres: float,
    transition_metres: float = 20.0,
) -> Track:
    """Build a closed track from straights and arcs.

    The curvature of the segments, a step function of arc length, is averaged over a window of
    `transition_metres`: every step becomes a ramp of that length (a clothoid), so a car can steer
    it. The average moves no heading between bends, so the two open straights close the circuit
    by a linear 2x2 system.

    Args:
        name: of the track.
        segments: in driving order, from the start line; the angles add up to 360 or -360 degrees
            and exactly two straights, not parallel, have no length.
        width_metres: from edge to edge, the same all along.
        transition_metres: length of the ramps of curvature.

    Raises:
        ValueError: the segments do not make a closed track; the message says why.
    """
    angle = sum(s.angle_degrees for s in segments if isinstance(s, Arc))
    if abs(abs(angle) - 360.0) > 1e-9:
        raise ValueError(
            f"layout {name!r} turns {angle:g} degrees in a lap; it must turn 360 or -360: change the angle of an arc"
        )
    free = [i for i, s in enumerate(segments) if isinstance(s, Straight) and not s.length_metres]
    if len(free) != 2:
        raise ValueError(
            f"layout {name!r} has {len(free)} straights without a length; it must have exactly 2, "
            "which close the circuit"
        )
    lengths = np.array([s.length_metres or 0.0 for s in segments])
    # Any length beyond the ramps serves as a first guess: the gap is linear in it.
    lengths[free] = 4.0 * transition_metres
    headings = np.cumsum([0.0, *(radians(getattr(s, "angle_degrees", 0.0)) for s in segments)])
    directions = np.array([[np.cos(headings[i]), np.sin(headings[i])] for i in free]).T
    if abs(np.linalg.det(directions)) < 0.05:
        raise ValueError(
            f"layout {name!r} has parallel straights without a length (segments {free[0]} and "
            f"{free[1]}); they must point in different directions to close the circuit"
        )
    gap = _line(segments, lengths, transition_metres)[-1]
    lengths[free] -= np.linalg.solve(directions, gap)
    if lengths[free].min() < transition_metres:
        raise ValueError(
            f"layout {name!r} closes with straights of {lengths[free[0]]:.1f} and "
            f"{lengths[free[1]]:.1f} m; each must be at least the transition's "
            f"{transition_metres:g} m: change other segments"
        )
    line = _line(segments, lengths, transition_metres)
    share = np.linspace(0.0, 1.0, len(line))[:, None]
    closed = (line - share * line[-1])[:-1]  # what is left of the gap is rounding
    stride = max(1, round(SPACING_METRES / FINE_METRES / 2))
    half = np.full(len(closed[::stride]), width_metres / 2.0)
    return Track.from_points(name, closed[::stride], half, half)


def _line(segments: Sequence[Segment], lengths: Floats, transition_metres: float) -> Floats:
    """Integrate the ramped curvature: points [M + 1, 2] from the origin along the x axis."""
    ends = np.concatenate([[0.0], np.cumsum(lengths)])
    curvature = [np.sign(s.angle_degrees) / s.radius_metres if isinstance(s, Arc) else 0.0 for s in segments]
    # heading(s) of the step curvature, extended by one lap on both sides for the window.
    turned = np.concatenate([[0.0], np.cumsum(lengths * curvature)])
    length, turn = ends[-1], turned[-1]
    knots = np.concatenate([ends[:-1] - length, ends[:-1], ends + length])
    values = np.concatenate([turned[:-1] - turn, turned[:-1], turned + turn])
    count = round(length / FINE_METRES)
    step = length / count
    window = max(1, round(transition_metres / step))
    middle = (np.arange(-window, count + window) + 0.5) * step
    heading = np.interp(middle, knots, values)
    summed = np.concatenate([[0.0], np.cumsum(heading)])
    mean = (summed[window:] - summed[:-window]) / window
    mean = mean[(len(mean) - count) // 2 :][:count]
    points = np.zeros((count + 1, 2))
    points[1:, 0] = np.cumsum(np.cos(mean)) * step
    points[1:, 1] = np.cumsum(np.sin(mean)) * step
    return points
