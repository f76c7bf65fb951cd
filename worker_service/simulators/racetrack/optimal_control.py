"""The car's fastest lap, by optimal control of its own equations of motion.

States: offset n from the centre line [m], heading error [rad], v_x, v_y [m/s], yaw rate [rad/s],
steer [rad]. Controls: steer rate [rad/s], throttle and brake in [0, 1]. After Casanova, On minimum
time vehicle manoeuvring, Cranfield University, 2000, and Perantoni and Limebeer, Vehicle System
Dynamics 52(5), 2014: with the curvature c of the centre line,

    s' = (v_x cos(e) - v_y sin(e)) / (1 - n c)      n' = v_x sin(e) + v_y cos(e)      e' = r - c s'
"""

from math import pi
from typing import Any

import casadi
import numpy as np
from numpy.typing import NDArray

from worker_service.simulators.racetrack.collocation import Bounds, Grid, Motion, Solution, solve_lap
from worker_service.simulators.racetrack.first_guess import first_guess
from worker_service.simulators.racetrack.symbolic_car import symbolic_derivatives
from worker_service.simulators.racetrack.track import Track
from worker_service.simulators.racetrack.vehicle import Vehicle

Floats = NDArray[np.float64]

SLOWEST_METRES_PER_SECOND = 1.0
FASTEST_METRES_PER_SECOND = 150.0
# Of the first guess.
STARTING_METRES_PER_SECOND2 = 5.0
# Among laps of the same time, those with a calm command: seconds times squared changes.
SMOOTHING = (1e-6, 1e-5, 1e-5)
# The command presses one pedal at a time: seconds a second, times throttle times brake. It keeps the
# product below 1e-5 on every circuit and, being nothing without it, changes no lap time.
PEDALS_COST = 1.0


def car_motion(vehicle: Vehicle, standing: bool = False) -> Motion:
    """The car as `collocation` takes it."""

    def rates(state: Any, control: Any, curvature: Any) -> tuple[Any, Any, Any, Any]:
        offset, turn, vx, vy, yaw_rate, steer = (state[i] for i in range(6))
        along = (vx * casadi.cos(turn) - vy * casadi.sin(turn)) / (1.0 - offset * curvature)
        slope = casadi.vertcat(
            vx * casadi.sin(turn) + vy * casadi.cos(turn),
            yaw_rate - curvature * along,
            *symbolic_derivatives((vx, vy, yaw_rate, steer), control[1], control[2], vehicle),
            control[0],
        )
        return slope, along, PEDALS_COST * control[1] * control[2], casadi.SX(0, 1)

    steer, rate = vehicle.steer_limit_radians, vehicle.steer_rate_radians_per_second
    slowest = 0.0 if standing else SLOWEST_METRES_PER_SECOND
    return Motion(
        rates=rates,
        states=Bounds(
            lower=(0.0, -0.45 * pi, slowest, -20.0, -5.0, -steer),
            upper=(0.0, 0.45 * pi, FASTEST_METRES_PER_SECOND, 20.0, 5.0, steer),
            scale=(5.0, 0.2, 40.0, 2.0, 1.0, 0.1),
        ),
        controls=Bounds(lower=(-rate, 0.0, 0.0), upper=(rate, 1.0, 1.0), scale=(rate, 1.0, 1.0)),
        smoothing=SMOOTHING,
    )


def rolling_lap(track: Track, vehicle: Vehicle, grid: Grid) -> tuple[Floats, Floats]:
    """A first guess: the car rolls along `first_guess` without side slip.

    Returns:
        States float64 [M + 1, 6] at the grid's edges, controls float64 [M, 3].
    """
    offset, turn, speed, acceleration, curvature = first_guess(track, vehicle, grid.edges_metres)
    limit = 0.9 * vehicle.steer_limit_radians
    steer = np.clip(vehicle.wheelbase_metres * curvature, -limit, limit)
    states = np.stack([offset, turn, speed, 0.0 * offset, speed * curvature, steer], axis=1)
    throttle = np.clip(acceleration[:-1] / vehicle.drive_metres_per_second2, 0.01, 0.9)
    brake = np.clip(-acceleration[:-1] / vehicle.brake_metres_per_second2, 0.01, 0.9)
    return states, np.stack([0.0 * throttle, throttle, brake], axis=1)


def flying_lap(
    track: Track, vehicle: Vehicle, spacing_metres: float, guess: Solution | None = None, verbose: bool = False
) -> Solution:
    """The fastest lap that ends as it begins."""
    grid = Grid.even(track.length_metres, spacing_metres)
    if guess is None:
        states, controls = rolling_lap(track, vehicle, grid)
        return solve_lap(track, car_motion(vehicle), grid, states, controls, verbose=verbose)
    states, controls = guess.states_at(grid.edges_metres), guess.controls_at(grid.edges_metres[:-1])
    return solve_lap(track, car_motion(vehicle), grid, states, controls, barrier=1e-3, verbose=verbose)


def standing_lap(
    track: Track, vehicle: Vehicle, spacing_metres: float, guess: Solution, verbose: bool = False
) -> Solution:
    """The fastest first lap from rest on the start line, as `starts.Starts.standing` puts the car there.

    Args:
        guess: the flying lap, or a standing one on a coarser grid.
    """
    grid = Grid.from_rest(track.length_metres, spacing_metres)
    states, controls = guess.states_at(grid.edges_metres), guess.controls_at(grid.edges_metres[:-1])
    arc, speed = grid.edges_metres, states[:, 2]
    slow = np.minimum(1.0, np.sqrt(2.0 * STARTING_METRES_PER_SECOND2 * arc) / np.maximum(speed, 1e-3))
    if slow[1] < 1.0:
        states[:, [2, 4]] *= slow[:, None]
        states[:, [0, 1, 3]] *= np.minimum(1.0, arc / 100.0)[:, None]
    limit = vehicle.steer_limit_radians
    steer = float(np.clip(np.arctan(vehicle.wheelbase_metres * track.curvature[0]), -limit, limit))
    start = (0.0, 0.0, 0.0, 0.0, 0.0, steer)
    motion = car_motion(vehicle, standing=True)
    return solve_lap(track, motion, grid, states, controls, start, barrier=1e-2, verbose=verbose)
