import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.racetrack.builders import circle_track
from worker_service.simulators.l2r.metrics import (
    EpisodeTrace,
    admissibility,
    completion_percent,
    displacement_metres,
    efficiency,
    l2r_metrics,
    smoothness,
    speed_kilometres_per_hour,
    wheels_out,
)

Floats = NDArray[np.float64]

DT = 0.1


def circle_drive(radius_metres: float, speed: float, samples: int) -> tuple[Floats, Floats]:
    """Positions and velocities of an anticlockwise drive around the origin at constant speed."""
    angle = np.arange(samples) * DT * speed / radius_metres
    positions = radius_metres * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return positions, speed * np.stack([-np.sin(angle), np.cos(angle)], axis=1)


def circle_trace(**changes: Any) -> EpisodeTrace:
    """Half a lap of the circle of 100 m at 20 m/s, 2 m to its outside: 10 pi m and seconds."""
    samples = 101
    positions, velocities = circle_drive(102.0, 20.0, samples)
    arguments: dict[str, Any] = {
        "positions": positions,
        "velocities": velocities,
        "offsets": np.full(samples, -2.0),
        "wheels_out": np.zeros(samples, np.int64),
        "distances": np.arange(samples) * DT * 20.0 * 100.0 / 102.0,
        "step_seconds": DT,
    }
    return EpisodeTrace(**{**arguments, **changes})


def test_circle_at_constant_speed() -> None:
    track = circle_track(radius_metres=100.0)
    metrics = l2r_metrics(circle_trace(), track, laps=1)
    assert metrics.duration_seconds == pytest.approx(10.0)
    assert metrics.speed_kilometres_per_hour == pytest.approx(72.0, rel=1e-3)
    assert metrics.completion_percent == pytest.approx(100.0 * 200.0 / 1.02 / (2.0 * np.pi * 100.0), rel=1e-4)
    assert metrics.completion_within_bounds_percent == metrics.completion_percent
    assert metrics.displacement_metres == pytest.approx(2.0)
    assert metrics.admissibility == 1.0
    assert metrics.efficiency == pytest.approx(1.02, rel=1e-3), "the path is the larger circle"
    assert metrics.smoothness < -20.0, "the size of the acceleration never changes, but for rounding"


def test_completion_counts_all_laps_asked_for_and_stays_within_0_and_100() -> None:
    assert completion_percent(150.0, 3 * 100.0) == 50.0
    assert completion_percent(101.0, 100.0) == 100.0
    assert completion_percent(-1.0, 100.0) == 0.0


def test_completion_within_bounds_ends_at_two_wheels_off_the_track() -> None:
    wheels = np.zeros(101, np.int64)
    wheels[20] = 1
    wheels[50:53] = [2, 3, 1]
    metrics = l2r_metrics(circle_trace(wheels_out=wheels), circle_track(), laps=1)
    assert metrics.completion_within_bounds_percent == pytest.approx(0.5 * metrics.completion_percent)
    # Seven wheel-steps of 0.1 s in 10 s.
    assert metrics.admissibility == pytest.approx(1.0 - math.sqrt(0.7 / 10.0))


def test_admissibility_of_one_wheel_off_all_the_time_is_zero() -> None:
    assert admissibility(np.array([0, 1, 1, 1, 1]), DT) == 0.0
    assert admissibility(np.array([4, 4, 4]), DT) == -1.0
    assert admissibility(np.array([4, 0, 0]), DT) == 1.0, "the first sample is before the first step"


def test_speed_is_that_along_the_path_driven() -> None:
    corner = np.array([[0.0, 0.0], [3.0, 0.0], [3.0, 4.0]])
    assert speed_kilometres_per_hour(corner, 2.0) == pytest.approx(3.5 * 3.6)


def test_displacement_is_the_mean_distance_to_either_side() -> None:
    assert displacement_metres(np.array([9.0, -1.0, 1.0, 4.0])) == 2.0


def test_efficiency_weighs_curvatures_by_their_squares() -> None:
    track = circle_track(radius_metres=100.0)
    slow, _ = circle_drive(50.0, 5.0, 200)
    assert efficiency(slow, track) == pytest.approx(0.5, rel=1e-3)
    # At rest for as long as it moves: half the samples do not bend.
    rest = np.vstack([np.repeat(slow[:1], 199, axis=0), slow])
    assert efficiency(rest, track) == pytest.approx(0.5 * math.sqrt(2.0), rel=0.01)
    straight = np.stack([np.arange(10.0), np.zeros(10)], axis=1)
    assert efficiency(straight, track) == math.inf


def test_smoothness_of_hand_computed_accelerations() -> None:
    # Accelerations 1, 2, 4 m/s^2: jerks 10 and 20 m/s^3; T = 0.3 s, peak 4.
    speeds = np.array([0.0, 0.1, 0.3, 0.7])
    velocities = np.stack([np.zeros(4), speeds], axis=1)
    assert smoothness(velocities, DT) == pytest.approx(math.log(0.3 / 16.0 * (100.0 + 400.0) * 0.1))
    assert smoothness(10.0 * velocities, DT) == pytest.approx(smoothness(velocities, DT)), "without dimension"


def test_smoothness_without_change_has_no_number() -> None:
    even = np.stack([np.arange(5.0), np.zeros(5)], axis=1)
    assert smoothness(even, 1.0) == -math.inf
    assert math.isnan(smoothness(np.ones((5, 2)), DT))


@pytest.mark.parametrize(
    ("radius_metres", "yaw_degrees", "out"),
    [
        # Road from 95 to 105 m; the box is 3.0 m long and 1.68 m wide.
        (100.0, 90.0, 0),
        (104.1, 90.0, 0),
        (104.2, 90.0, 2),
        (105.9, 90.0, 4),
        (95.8, 90.0, 2),
        (103.4, 0.0, 0),
        (103.6, 0.0, 2),
        (103.5, 45.0, 1),
        (96.5, 45.0, 1),
    ],
)
@pytest.mark.parametrize("clockwise", [False, True])
def test_corners_off_the_track_are_counted(radius_metres: float, yaw_degrees: float, out: int, clockwise: bool) -> None:
    track = circle_track(radius_metres=100.0, half_width_metres=5.0, clockwise=clockwise)
    turns = np.linspace(0.0, 2.0 * np.pi, 23)
    positions = radius_metres * np.stack([np.cos(turns), np.sin(turns)], axis=1)
    arcs = 100.0 * (-turns if clockwise else turns) % track.length_metres
    found = wheels_out(positions, turns + math.radians(yaw_degrees), arcs, track)
    assert found.tolist() == [out] * len(turns)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"positions": np.zeros((3, 2))}, "the episode has 3 samples; its metrics need at least 4"),
        ({"offsets": np.zeros(100)}, r"offsets has shape \(100,\); beside 101 positions it must be \(101,\)"),
        ({"velocities": np.zeros(101)}, r"velocities has shape \(101,\); .* must be \(101, 2\)"),
        ({"step_seconds": 0.0}, "step_seconds is 0.0; it must be positive"),
    ],
)
def test_impossible_trace_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        circle_trace(**changes)
