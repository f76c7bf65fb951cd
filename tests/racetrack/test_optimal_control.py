import numpy as np
import pytest

from tests.racetrack.builders import circle_track
from worker_service.simulators.racetrack.circuits import circuit
from worker_service.simulators.racetrack.collocation import Grid, SolveError
from worker_service.simulators.racetrack.optimal_control import flying_lap, standing_lap
from worker_service.simulators.racetrack.optimum import find_optimum
from worker_service.simulators.racetrack.point_mass import point_mass_lap
from worker_service.simulators.racetrack.solve import solve
from worker_service.simulators.racetrack.vehicle import (
    AIR_DENSITY_KILOGRAMS_PER_METRE3,
    GRAVITY_METRES_PER_SECOND2,
    Vehicle,
    derivatives,
)


def steady_speed(radius_metres: float, p: Vehicle) -> float:
    """At which the friction circle gives what a bend takes, and what drag takes."""
    half_density = 0.5 * AIR_DENSITY_KILOGRAMS_PER_METRE3 / p.mass_kilograms
    low, high = 1.0, 100.0
    for _ in range(60):
        v = 0.5 * (low + high)
        grip = p.front_friction * (GRAVITY_METRES_PER_SECOND2 + half_density * p.downforce_area_metres2 * v * v)
        drag = half_density * p.drag_area_metres2 * v * v + p.rolling_resistance * GRAVITY_METRES_PER_SECOND2
        low, high = (v, high) if np.hypot(v * v / radius_metres, drag) < grip else (low, v)
    return low


def test_point_mass_takes_the_inside_of_a_circle_at_the_speed_of_its_grip() -> None:
    # With the same friction on both axles load transfer changes nothing.
    vehicle = Vehicle(front_friction=1.6, rear_friction=1.6)
    lap = point_mass_lap(circle_track(radius_metres=50.0, half_width_metres=5.0), vehicle, 4.0)
    expected = 2.0 * np.pi * 45.0 / steady_speed(45.0, vehicle)
    assert lap.lap_seconds == pytest.approx(expected, rel=2e-4)
    np.testing.assert_allclose(lap.states[:, 0], 5.0, atol=1e-2)


@pytest.mark.parametrize("clockwise", [False, True])
def test_car_circles_steadily_on_the_inside_and_slower_than_the_point_mass(clockwise: bool) -> None:
    track = circle_track(radius_metres=50.0, half_width_metres=5.0, clockwise=clockwise)
    lap = flying_lap(track, Vehicle(), 4.0)
    inside = -5.0 if clockwise else 5.0
    np.testing.assert_allclose(lap.states[:, 0], inside, atol=1e-2)
    speed = np.hypot(lap.states[:, 2], lap.states[:, 3])
    np.testing.assert_allclose(speed, 2.0 * np.pi * 45.0 / lap.lap_seconds, rtol=2e-3)
    bound = point_mass_lap(track, Vehicle(), 4.0).lap_seconds
    assert bound < lap.lap_seconds < 1.1 * bound


def test_car_from_rest_gains_speed_as_full_throttle_gives() -> None:
    track = circle_track(radius_metres=50.0, half_width_metres=5.0)
    flying = flying_lap(track, Vehicle(), 4.0)
    standing = standing_lap(track, Vehicle(), 4.0, flying)
    assert standing.states[0, :4].tolist() == [0.0, 0.0, 0.0, 0.0]
    # v = a t as long as there is no drag to speak of.
    v = float(standing.states[4, 2])
    expected = derivatives((0.0, 0.0, 0.0, 0.5 * v, 0.0, 0.0, 0.0), 0.0, 1.0, Vehicle().record()[0])[3]
    assert v / standing.seconds[4] == pytest.approx(expected, rel=0.02)
    assert standing.lap_seconds > flying.lap_seconds + 0.5


def test_grid_from_rest_covers_the_lap_in_growing_intervals() -> None:
    grid = Grid.from_rest(1000.0, 4.0)
    assert (grid.edges_metres[0], grid.edges_metres[-1]) == (0.0, pytest.approx(1000.0))
    steps = np.diff(grid.edges_metres)
    assert steps[0] < 0.1
    assert steps[-1] == pytest.approx(4.0, rel=0.02)
    # Radau's quadrature integrates the pace of a quadratic arc exactly.
    np.testing.assert_allclose(grid.pace_metres @ [0.75, 0.25], steps)


def test_lap_that_cannot_be_found_says_so() -> None:
    # On ice even 1 m/s, the slowest allowed, is too fast for the bend.
    vehicle = Vehicle(front_friction=0.002, rear_friction=0.002)
    with pytest.raises(SolveError, match="the fastest lap of circle at 27 intervals was not found"):
        flying_lap(circle_track(radius_metres=17.0, half_width_metres=1.0), vehicle, 4.0)


@pytest.mark.slow
def test_coarse_solution_agrees_with_the_shipped_one() -> None:
    track = circuit("thornwood")
    shipped = find_optimum(track, Vehicle())
    assert shipped is not None
    solved = solve(track, Vehicle(), (4.0,))
    assert solved.flying_lap_seconds == pytest.approx(shipped.flying_lap_seconds, rel=0.005)
    assert solved.standing_lap_seconds == pytest.approx(shipped.standing_lap_seconds, rel=0.005)
    assert solved.bound_lap_seconds == pytest.approx(shipped.bound_lap_seconds, rel=0.005)
