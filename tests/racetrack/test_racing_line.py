import numpy as np
import pytest

from tests.racetrack.builders import circle_track
from worker_service.simulators.racetrack.circuits import circuit
from worker_service.simulators.racetrack.racing_line import minimum_curvature_line, racing_profile
from worker_service.simulators.racetrack.speed_profile import speed_profile
from worker_service.simulators.racetrack.vehicle import (
    AIR_DENSITY_KILOGRAMS_PER_METRE3,
    GRAVITY_METRES_PER_SECOND2,
    Vehicle,
)


def test_constant_radius_is_driven_at_the_grip_limit() -> None:
    vehicle = Vehicle(power_watts=1e9, drive_metres_per_second2=100.0)
    radius, count = 50.0, 400
    steps = np.full(count, 2.0 * np.pi * radius / count)
    profile = speed_profile(np.full(count, -1.0 / radius), steps, vehicle)
    front = vehicle.rear_axle_metres / vehicle.wheelbase_metres
    friction = front * vehicle.front_friction + (1.0 - front) * vehicle.rear_friction
    balance = vehicle.aerodynamic_balance
    winged = balance * vehicle.front_friction + (1.0 - balance) * vehicle.rear_friction
    downforce = 0.5 * AIR_DENSITY_KILOGRAMS_PER_METRE3 * vehicle.downforce_area_metres2 / vehicle.mass_kilograms
    # v^2 / R = mu g + mu' k v^2; the drive has nothing left against drag, which costs a little.
    expected = np.sqrt(friction * GRAVITY_METRES_PER_SECOND2 / (1.0 / radius - winged * downforce))
    np.testing.assert_allclose(profile.speed, expected, rtol=0.01)
    assert profile.lap_seconds == pytest.approx(2.0 * np.pi * radius / expected, rel=0.01)


def test_profile_keeps_to_the_limits_of_drive_and_brakes() -> None:
    vehicle = Vehicle()
    _, profile = racing_profile(circuit("larkfield"), vehicle)
    assert profile.acceleration.max() < vehicle.drive_metres_per_second2
    drag = 0.5 * AIR_DENSITY_KILOGRAMS_PER_METRE3 * vehicle.drag_area_metres2 / vehicle.mass_kilograms
    resistance = drag * profile.speed.max() ** 2 + vehicle.rolling_resistance * GRAVITY_METRES_PER_SECOND2
    assert profile.acceleration.min() > -vehicle.brake_metres_per_second2 - resistance
    assert profile.acceleration.min() < -12.0


def test_less_grip_is_slower() -> None:
    line = minimum_curvature_line(circuit("thornwood"))
    laps = [speed_profile(line.curvature, line.steps, Vehicle(), share).lap_seconds for share in (0.6, 0.8, 1.0)]
    assert laps == sorted(laps, reverse=True)


def test_line_of_least_curvature_around_a_circle_is_its_outer_edge() -> None:
    line = minimum_curvature_line(circle_track(radius_metres=100.0, half_width_metres=5.0))
    np.testing.assert_allclose(np.hypot(*line.points.T), 105.0, atol=0.05)


@pytest.mark.parametrize("margin", [0.0, 1.5])
def test_line_stays_within_the_track_and_straightens_it(margin: float) -> None:
    track = circuit("larkfield")
    line = minimum_curvature_line(track, margin)
    offset = ((line.points - track.centre_line) * track.normal).sum(axis=1)
    assert (offset <= track.left_width - margin + 1e-6).all()
    assert (offset >= margin - track.right_width - 1e-6).all()
    assert (line.curvature**2 * line.steps).sum() < 0.7 * (track.curvature**2).sum() * track.spacing_metres
