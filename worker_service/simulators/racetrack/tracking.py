"""Where the car is on its track, and what follows from it: observation, reward, end of episode.

Observation, float32 [59], every entry clipped to [-2, 2]; lengths and speeds are divided by a
scale so that usual values lie within one:

===== =============================================================================
0     offset from the centre line, as a share of the width on that side, left positive
1, 2  sine and cosine of the heading relative to the track
3     forward speed / 50 m/s
4     sideways speed / 10 m/s, left positive
5     yaw rate / 1 rad/s, anticlockwise positive
6     steer / steer limit, left positive
7, 8  last action: steer, acceleration
9, 10 distance to the left and to the right edge / 10 m
===== =============================================================================

Then 16 look-ahead points k = 0 ... 15 at even arc lengths on the centre line, up to the distance
of 6 s at the present speed and at least 60 m, three entries each from 11 + 3 k:

===== =============================================================================
0, 1  the point in the car's frame (forward, left) / look-ahead distance
2     mean curvature c of the stretch up to the point, left positive, as 50 c / (1 + 50 |c|)
===== =============================================================================

The mean is the change of heading over the stretch, so no bend falls between two points; the
squashing keeps both a fast sweep (0.2 at 200 m radius) and a hairpin (0.8 at 13 m) in range.
"""

from dataclasses import astuple, dataclass, fields
from math import cos, hypot, pi, sin
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker_service.simulators.racetrack.compiled import kernel

LOOK_AHEAD_POINTS = 16
LOOK_AHEAD_SECONDS = 6.0
LOOK_AHEAD_MIN_METRES = 60.0
BASE_ENTRIES = 11
OBSERVATION_ENTRIES = BASE_ENTRIES + 3 * LOOK_AHEAD_POINTS
OBSERVATION_LIMIT = 2.0
SPEED = slice(3, 4)
"""Of the observation."""

# What `observe` reports, as bits.
OFF_TRACK, SPUN, REVERSED, STALLED, MARK_PASSED, NOT_FINITE = 1, 2, 4, 8, 16, 32
ENDED = OFF_TRACK | SPUN | REVERSED | STALLED

STALL_METRES_PER_SECOND = 1.0
REVERSE_METRES_PER_SECOND = 1.0

PLACE = np.dtype(
    [
        ("arc_metres", np.float64),
        ("distance_metres", np.float64),
        ("next_mark_metres", np.float64),
        ("offset_metres", np.float64),
        ("heading_error_radians", np.float64),
        ("progress_metres", np.float64),
        ("path_metres", np.float64),
        ("steer_action", np.float64),
        ("acceleration_action", np.float64),
        ("slow_seconds", np.float64),
    ],
    align=True,
)
"""The car relative to the track.

`arc_metres` is in [0, lap); `distance_metres` is the same without the wrap: it grows by a lap's
length a lap, and shrinks backwards over the line. `next_mark_metres` is the distance at which
the next sector ends. `progress_metres` is the last step's; `path_metres` is the way driven.
"""


@dataclass(frozen=True)
class Reward:
    """Weights of the reward; the sum of the terms is a step's reward."""

    progress_per_metre: float = 0.1
    """For every metre along the centre line, on the track."""
    steer_change: float = 0.05
    """Subtracted times the squared change of the steer action."""
    failure: float = 1.0
    """Subtracted when the episode ends by leaving the track, spinning, reversing or stalling."""
    off_track_per_metre_per_second: float = 0.1
    """Subtracted on leaving the track, times the speed."""

    def record(self) -> NDArray[Any]:
        """The weights as compiled functions take them: a structured array [1]."""
        dtype = np.dtype([(field.name, np.float64) for field in fields(self)], align=True)
        return np.array([astuple(self)], dtype=dtype)


@kernel
def _project(
    x: float, y: float, guess_metres: float, stations: NDArray[Any], spacing: float
) -> tuple[float, float, float, float, float]:
    """Newton's method for the foot of the perpendicular, from a guess near it.

    Returns:
        Arc length in [0, lap), offset to the left, heading there, left and right width.
    """
    count = len(stations) - 1
    length = count * spacing
    arc = guess_metres
    offset = heading = left = right = 0.0
    for _ in range(8):
        arc -= length * np.floor(arc / length)
        at = min(int(arc / spacing), count - 1)
        share = arc / spacing - at
        a = stations[at]
        b = stations[at + 1]
        heading = a.heading + share * (b.heading - a.heading)
        left = a.left_width + share * (b.left_width - a.left_width)
        right = a.right_width + share * (b.right_width - a.right_width)
        tangent_x = cos(heading)
        tangent_y = sin(heading)
        away_x = x - (a.x + share * (b.x - a.x))
        away_y = y - (a.y + share * (b.y - a.y))
        along = away_x * tangent_x + away_y * tangent_y
        offset = away_y * tangent_x - away_x * tangent_y
        curvature = a.curvature + share * (b.curvature - a.curvature)
        # Across a bend arc lengths shrink towards its inside.
        arc += min(max(along / max(1.0 - curvature * offset, 0.2), -10.0), 10.0)
        if abs(along) < 1e-6:
            break
    arc -= length * np.floor(arc / length)
    return arc, offset, heading, left, right


@kernel
def observe(
    car: NDArray[Any],
    place: NDArray[Any],
    stations: NDArray[Any],
    spacing: float,
    steer_limit: float,
    observation: NDArray[np.float32],
) -> None:
    """Write the observation (see the module's docstring).

    Args:
        car: structured array [1] of `CAR`.
        place: structured array [1] of `PLACE`.
        stations: `Track.stations`.
        spacing: of the stations, metres.
        steer_limit: of the car, radians.
        observation: float32 [OBSERVATION_ENTRIES], written.
    """
    c = car[0]
    p = place[0]
    count = len(stations) - 1
    length = count * spacing
    station = stations[min(int(p.arc_metres / spacing), count - 1)]
    left = station.left_width
    right = station.right_width
    out = observation
    out[0] = p.offset_metres / (left if p.offset_metres > 0.0 else right)
    out[1] = sin(p.heading_error_radians)
    out[2] = cos(p.heading_error_radians)
    out[3] = c.vx / 50.0
    out[4] = c.vy / 10.0
    out[5] = c.yaw_rate
    out[6] = c.steer / steer_limit
    out[7] = p.steer_action
    out[8] = p.acceleration_action
    out[9] = (left - p.offset_metres) / 10.0
    out[10] = (right + p.offset_metres) / 10.0

    reach = max(LOOK_AHEAD_MIN_METRES, LOOK_AHEAD_SECONDS * hypot(c.vx, c.vy))
    stride = reach / LOOK_AHEAD_POINTS
    cos_yaw = cos(c.yaw) / reach
    sin_yaw = sin(c.yaw) / reach
    turn = stations[count].heading - stations[0].heading
    last_heading = 0.0
    for k in range(LOOK_AHEAD_POINTS + 1):
        ahead = p.arc_metres + k * stride
        lap = np.floor(ahead / length)
        where = (ahead - lap * length) / spacing
        at = min(int(where), count - 1)
        share = where - at
        a = stations[at]
        b = stations[at + 1]
        heading = a.heading + share * (b.heading - a.heading) + lap * turn
        if k > 0:
            away_x = a.x + share * (b.x - a.x) - c.x
            away_y = a.y + share * (b.y - a.y) - c.y
            bend = 50.0 * (heading - last_heading) / stride
            first = BASE_ENTRIES + 3 * (k - 1)
            out[first] = away_x * cos_yaw + away_y * sin_yaw
            out[first + 1] = away_y * cos_yaw - away_x * sin_yaw
            out[first + 2] = bend / (1.0 + abs(bend))
        last_heading = heading
    for k in range(OBSERVATION_ENTRIES):
        out[k] = min(max(out[k], -OBSERVATION_LIMIT), OBSERVATION_LIMIT)


@kernel
def follow(
    car: NDArray[Any],
    place: NDArray[Any],
    stations: NDArray[Any],
    spacing: float,
    weights: NDArray[Any],
    steer_action: float,
    acceleration_action: float,
    seconds: float,
    stall_seconds: float,
) -> tuple[float, int, float]:
    """Find the car's new place after a step and judge the step.

    Args:
        car: structured array [1] of `CAR`, after the step.
        place: structured array [1] of `PLACE`, before it; updated.
        stations: `Track.stations`.
        spacing: of the stations, metres.
        weights: `Reward.record`.
        steer_action, acceleration_action: the step's action, in [-1, 1].
        seconds: length of the step.
        stall_seconds: how long the car may stand before it counts as stalled.

    Returns:
        The reward, the bits of what happened (`OFF_TRACK` and so on), and the progress [m].
    """
    c = car[0]
    p = place[0]
    w = weights[0]
    if not (np.isfinite(c.x) and np.isfinite(c.y) and np.isfinite(c.yaw)):
        return 0.0, NOT_FINITE, 0.0
    length = (len(stations) - 1) * spacing
    guess = p.arc_metres + c.vx * cos(p.heading_error_radians) * seconds
    arc, offset, heading, left, right = _project(c.x, c.y, guess, stations, spacing)
    progress = arc - p.arc_metres
    progress -= length * np.floor(progress / length + 0.5)
    p.arc_metres = arc
    p.progress_metres = progress
    p.distance_metres += progress
    p.offset_metres = offset
    turn = c.yaw - heading
    p.heading_error_radians = turn - 2.0 * pi * np.floor((turn + pi) / (2.0 * pi))
    speed = hypot(c.vx, c.vy)
    p.path_metres += speed * seconds
    p.slow_seconds = p.slow_seconds + seconds if speed < STALL_METRES_PER_SECOND else 0.0

    status = 0
    change = steer_action - p.steer_action
    reward = -w.steer_change * change * change
    p.steer_action = steer_action
    p.acceleration_action = acceleration_action
    if offset > left or offset < -right:
        status |= OFF_TRACK
        reward -= w.off_track_per_metre_per_second * speed
    else:
        reward += w.progress_per_metre * progress
    if abs(p.heading_error_radians) > 0.5 * pi:
        status |= SPUN
    if c.vx < -REVERSE_METRES_PER_SECOND:
        status |= REVERSED
    if p.slow_seconds > stall_seconds - 0.5 * seconds:
        status |= STALLED
    if status:
        reward -= w.failure
    if p.distance_metres >= p.next_mark_metres:
        status |= MARK_PASSED
    return reward, status, progress
