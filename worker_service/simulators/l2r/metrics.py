"""Learn-to-Race's metrics of a driven episode.

The formulas are those of Herman et al., "Learn-to-Race: A Multimodal Control Environment for
Autonomous Racing", 2021, https://arxiv.org/abs/2103.11575, as the published package l2r 0.0.2
computes them.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from worker_service.simulators.racetrack.track import Track

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

BOX_LENGTH_METRES: Final = 3.0
BOX_WIDTH_METRES: Final = 1.68
"""The car's box of Learn-to-Race, whose corners count as its wheels."""
WHEELS_OUT_OF_BOUNDS: Final = 2
"""So many corners off the track end an episode of Learn-to-Race."""
CORNER_REACH_METRES: Final = 10.0
"""A corner's nearest station lies no farther along the track than this from the car's own place."""

STRAIGHT_PER_METRE: Final = 1e-9
"""Less curvature than this is rounding."""


@dataclass(frozen=True, kw_only=True, eq=False)
class EpisodeTrace:
    """An episode, sampled at its beginning and after each of its steps: N samples, N - 1 steps.

    Raises:
        ValueError: a shape is wrong, or there are fewer than four samples: jerk needs so many.
    """

    positions: Floats
    """float64 [N, 2], metres."""
    velocities: Floats
    """float64 [N, 2], metres a second, in the axes of the positions."""
    offsets: Floats
    """float64 [N], metres from the centre line, left positive."""
    wheels_out: Counts
    """int64 [N], 0 to 4: see `wheels_out`."""
    distances: Floats
    """float64 [N], metres along the centre line from the start."""
    step_seconds: float
    """Between two samples."""

    def __post_init__(self) -> None:
        samples = len(self.positions)
        if samples < 4:
            raise ValueError(f"the episode has {samples} samples; its metrics need at least 4: drive longer")
        if not self.step_seconds > 0.0:
            raise ValueError(f"step_seconds is {self.step_seconds}; it must be positive")
        for name, shape in (
            ("positions", (samples, 2)),
            ("velocities", (samples, 2)),
            ("offsets", (samples,)),
            ("wheels_out", (samples,)),
            ("distances", (samples,)),
        ):
            found = getattr(self, name).shape
            if found != shape:
                raise ValueError(f"{name} has shape {found}; beside {samples} positions it must be {shape}")

    @property
    def duration_seconds(self) -> float:
        """From the first sample to the last."""
        return (len(self.positions) - 1) * self.step_seconds


@dataclass(frozen=True, kw_only=True)
class L2RMetrics:
    """The seven metrics, and the first again by Learn-to-Race's stricter rule."""

    completion_percent: float
    """ECP, episode completion percentage."""
    completion_within_bounds_percent: float
    """ECP if two wheels off the track had ended the episode, as they do in Learn-to-Race."""
    duration_seconds: float
    """ED, episode duration, here in simulated time."""
    speed_kilometres_per_hour: float
    """AATS, average adjusted track speed."""
    displacement_metres: float
    """ADE, average displacement error."""
    admissibility: float
    """TrA, trajectory admissibility; 1 with all wheels on the track all the time."""
    efficiency: float
    """TrE, trajectory efficiency; above 1 the path bends less than the track."""
    smoothness: float
    """MS, movement smoothness; -inf where the size of the acceleration never changes, nan where it is always 0."""


def l2r_metrics(trace: EpisodeTrace, track: Track, laps: int) -> L2RMetrics:
    """All metrics of an episode of `laps` laps from a standing start on the line."""
    out = np.flatnonzero(trace.wheels_out >= WHEELS_OUT_OF_BOUNDS)
    end = int(out[0]) if len(out) else len(trace.distances) - 1
    asked = laps * track.length_metres
    return L2RMetrics(
        completion_percent=completion_percent(float(trace.distances[-1]), asked),
        completion_within_bounds_percent=completion_percent(float(trace.distances[end]), asked),
        duration_seconds=trace.duration_seconds,
        speed_kilometres_per_hour=speed_kilometres_per_hour(trace.positions, trace.duration_seconds),
        displacement_metres=displacement_metres(trace.offsets),
        admissibility=admissibility(trace.wheels_out, trace.step_seconds),
        efficiency=efficiency(trace.positions, track),
        smoothness=smoothness(trace.velocities, trace.step_seconds),
    )


def completion_percent(distance_metres: float, asked_metres: float) -> float:
    """ECP = 100 x distance along the centre line / (laps x its length), between 0 and 100.

    Learn-to-Race counts points of its centre line, which lie half a metre apart, and so rounds to
    them. (Herman et al., 2021, Learn-to-Race, https://arxiv.org/abs/2103.11575)
    """
    return 100.0 * min(max(distance_metres / asked_metres, 0.0), 1.0)


def speed_kilometres_per_hour(positions: Floats, duration_seconds: float) -> float:
    """AATS = 3.6 x length of the path / duration.

    (Herman et al., 2021, Learn-to-Race, https://arxiv.org/abs/2103.11575)

    Args:
        positions: float64 [N, 2], metres.
        duration_seconds: from the first to the last.
    """
    return float(3.6 * np.hypot(*np.diff(positions, axis=0).T).sum() / duration_seconds)


def displacement_metres(offsets: Floats) -> float:
    """ADE = mean distance to the centre line over the samples after the first, which is the start.

    (Herman et al., 2021, Learn-to-Race, https://arxiv.org/abs/2103.11575)

    Args:
        offsets: float64 [N], metres.
    """
    return float(np.abs(offsets[1:]).mean())


def admissibility(wheels_out: Counts, step_seconds: float) -> float:
    """TrA = 1 - sqrt(sum of wheels off the track x dt / T), from 1 down to -1.

    (Herman et al., 2021, Learn-to-Race, https://arxiv.org/abs/2103.11575)

    Args:
        wheels_out: [N], of which the first is before the first step and does not count.
        step_seconds: dt; T is that of N - 1 steps.
    """
    steps = wheels_out[1:]
    return 1.0 - math.sqrt(float(steps.sum()) * step_seconds / (len(steps) * step_seconds))


def efficiency(positions: Floats, track: Track) -> float:
    """TrE = rms curvature of the track / rms curvature of the path.

    Both curvatures are central differences over the points: of the track evenly by the metre, of
    the path evenly in time. A path that never bends has an infinite one.
    (Herman et al., 2021, Learn-to-Race, https://arxiv.org/abs/2103.11575)

    Args:
        positions: float64 [N, 2], metres.
        track: what was driven.
    """
    around = np.vstack([track.centre_line[-1:], track.centre_line, track.centre_line[:1]])
    path = _rms_curvature(positions)
    return _rms_curvature(around) / path if path > STRAIGHT_PER_METRE else math.inf


def smoothness(velocities: Floats, step_seconds: float) -> float:
    """MS = ln(T / peak^2 x sum of jerk^2 x dt), the log of a jerk without dimension.

    Peak and jerk are the greatest and the rate of change of the acceleration's size. The lower,
    the smoother. (Herman et al., 2021, Learn-to-Race, https://arxiv.org/abs/2103.11575, after
    Balasubramanian et al., Journal of NeuroEngineering and Rehabilitation 12:112, 2015)

    Args:
        velocities: float64 [N, 2], metres a second.
        step_seconds: dt.
    """
    acceleration = np.hypot(*np.diff(velocities, axis=0).T) / step_seconds
    peak = float(acceleration.max())
    if peak == 0.0:
        return math.nan
    jerk = np.diff(acceleration) / step_seconds
    ratio = len(acceleration) * step_seconds * float((jerk * jerk).sum()) * step_seconds / (peak * peak)
    return math.log(ratio) if ratio > 0.0 else -math.inf


def wheels_out(positions: Floats, yaws: Floats, arcs: Floats, track: Track) -> Counts:
    """How many corners of Learn-to-Race's box of 3.0 x 1.68 m, centred on the car, are off the track.

    Args:
        positions: float64 [N, 2], metres.
        yaws: float64 [N], radians, anticlockwise from the x axis.
        arcs: float64 [N], metres along the centre line from its start to where the car is.
        track: whose edges count.

    Returns:
        int64 [N], 0 to 4.
    """
    forward = np.stack([np.cos(yaws), np.sin(yaws)], axis=1)
    leftward = np.stack([-forward[:, 1], forward[:, 0]], axis=1)
    count, spacing = len(track.centre_line), track.spacing_metres
    reach = math.ceil(CORNER_REACH_METRES / spacing)
    near = (np.round(arcs / spacing).astype(np.int64)[:, None] + np.arange(-reach, reach + 1)) % count
    out = np.zeros(len(positions), np.int64)
    for ahead in (-0.5 * BOX_LENGTH_METRES, 0.5 * BOX_LENGTH_METRES):
        for aside in (-0.5 * BOX_WIDTH_METRES, 0.5 * BOX_WIDTH_METRES):
            corner = positions + ahead * forward + aside * leftward
            away = corner[:, None] - track.centre_line[near]
            nearest = np.hypot(away[:, :, 0], away[:, :, 1]).argmin(axis=1)
            rows = np.arange(len(corner))
            station, away = near[rows, nearest], away[rows, nearest]
            left = track.normal[station]
            along = away[:, 0] * left[:, 1] - away[:, 1] * left[:, 0]
            # On the way to the next station the line bends away from the tangent.
            offset = (away * left).sum(axis=1) - 0.5 * track.curvature[station] * along**2
            out += offset > _between(track.left_width, station, along / spacing)
            out += offset < -_between(track.right_width, station, along / spacing)
    return out


def _between(values: Floats, station: Counts, share: Floats) -> Floats:
    """Values at stations plus a share of the way to the next, or before if negative."""
    other = (station + np.where(share < 0.0, -1, 1)) % len(values)
    return np.asarray(values[station] + np.abs(share) * (values[other] - values[station]))


def _rms_curvature(points: Floats) -> float:
    """Root of the mean squared curvature at the inner points, 1/metres, of [N, 2]; a car at rest does not bend."""
    first = 0.5 * (points[2:] - points[:-2])
    second = points[2:] - 2.0 * points[1:-1] + points[:-2]
    cross = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    pace = np.hypot(*first.T)
    moves = pace > 1e-6
    curvature = np.zeros(len(pace))
    curvature[moves] = cross[moves] / pace[moves] ** 3
    return float(np.sqrt((curvature * curvature).mean()))
