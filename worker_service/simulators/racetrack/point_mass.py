"""A bound on the lap time from below: the fastest lap of a point mass over all lines.

The mass has all the car's friction, power, brakes, drag and downforce, and none of its inertia in
yaw, its steering or its balance: forces change at once, anywhere in a circle whose radius is the sum
of what both axles could give. The circle includes the most that load transfer onto the axle with
more friction may add. What it leaves out in the car's favour is the energy of yaw, at most about
1 % of the power, and that for moments.

States: offset n [m], course relative to the centre line e [rad], speed v [m/s]; controls: the
accelerations along and across the course [m/s^2].
"""

from math import pi
from typing import Any

import casadi
import numpy as np

from worker_service.simulators.racetrack.collocation import Bounds, Grid, Motion, Solution, solve_lap
from worker_service.simulators.racetrack.first_guess import first_guess
from worker_service.simulators.racetrack.track import Track
from worker_service.simulators.racetrack.vehicle import (
    AIR_DENSITY_KILOGRAMS_PER_METRE3,
    GRAVITY_METRES_PER_SECOND2,
    Vehicle,
)


def point_mass_motion(p: Vehicle) -> Motion:
    """The mass as `collocation` takes it."""
    gravity, mass = GRAVITY_METRES_PER_SECOND2, p.mass_kilograms
    half_density = 0.5 * AIR_DENSITY_KILOGRAMS_PER_METRE3
    front = p.rear_axle_metres / p.wheelbase_metres
    strongest = max(p.drive_metres_per_second2, p.brake_metres_per_second2)
    if p.rear_friction > p.front_friction:
        strongest = p.drive_metres_per_second2
    transfer = strongest * p.gravity_centre_height_metres / p.wheelbase_metres
    grip_0 = gravity * (front * p.front_friction + (1.0 - front) * p.rear_friction)
    grip_0 += abs(p.rear_friction - p.front_friction) * transfer
    grip_2 = p.aerodynamic_balance * p.front_friction + (1.0 - p.aerodynamic_balance) * p.rear_friction
    grip_2 *= half_density * p.downforce_area_metres2 / mass
    power_speed = p.power_watts / (mass * p.drive_metres_per_second2)

    def rates(state: Any, control: Any, curvature: Any) -> tuple[Any, Any, Any, Any]:
        offset, turn, speed = state[0], state[1], state[2]
        forward, sideways = control[0], control[1]
        along = speed * casadi.cos(turn) / (1.0 - offset * curvature)
        resistance = half_density * p.drag_area_metres2 * speed**2 / mass + p.rolling_resistance * gravity
        drive = p.drive_metres_per_second2 / casadi.sqrt(1.0 + (speed / power_speed) ** 2)
        grip = grip_0 + grip_2 * speed**2
        slope = casadi.vertcat(speed * casadi.sin(turn), sideways / speed - curvature * along, forward - resistance)
        limits = casadi.vertcat((forward**2 + sideways**2) / grip**2 - 1.0, (forward - drive) / gravity)
        return slope, along, casadi.SX(0), limits

    sideways = 10.0 * gravity
    return Motion(
        rates=rates,
        states=Bounds(lower=(0.0, -0.45 * pi, 1.0), upper=(0.0, 0.45 * pi, 150.0), scale=(5.0, 0.2, 40.0)),
        controls=Bounds(
            lower=(-p.brake_metres_per_second2, -sideways),
            upper=(p.drive_metres_per_second2, sideways),
            scale=(10.0, 10.0),
        ),
        smoothing=(1e-7, 1e-7),
    )


def point_mass_lap(track: Track, vehicle: Vehicle, spacing_metres: float, verbose: bool = False) -> Solution:
    """The fastest flying lap of the point mass."""
    grid = Grid.even(track.length_metres, spacing_metres)
    offset, turn, speed, acceleration, curvature = first_guess(track, vehicle, grid.edges_metres)
    states = np.stack([offset, turn, speed], axis=1)
    controls = np.stack([acceleration, speed**2 * curvature], axis=1)[:-1]
    return solve_lap(track, point_mass_motion(vehicle), grid, states, controls, verbose=verbose)
