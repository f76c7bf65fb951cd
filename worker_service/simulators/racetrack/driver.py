"""A driver without learning: pure pursuit of a racing line at the speeds of its profile."""

from math import asin, atan2, exp, hypot, sin, tan

import numpy as np
from numpy.typing import NDArray

from worker_service.simulators.racetrack.car_state import CarState
from worker_service.simulators.racetrack.racing_line import racing_profile
from worker_service.simulators.racetrack.track import Track
from worker_service.simulators.racetrack.vehicle import (
    AIR_DENSITY_KILOGRAMS_PER_METRE3,
    GRAVITY_METRES_PER_SECOND2,
    Vehicle,
)

# The point pursued lies this far ahead: a length plus a time times the speed.
PURSUIT_METRES = 4.0
PURSUIT_SECONDS = 0.3
# The distance to the line falls by a factor e over a length plus a time times the speed.
MERGE_METRES = 8.0
MERGE_SECONDS = 0.6
# A command takes about one control interval to act.
DELAY_SECONDS = 0.1
# Speed errors are to decay at this rate.
SPEED_GAIN_PER_SECOND = 2.0
# No more of an axle's grip than this is asked for by steering.
STEER_GRIP_SHARE = 0.95


class Driver:
    """Follows the minimum-curvature line; proves that a track can be driven.

    Pure pursuit (Coulter, CMU-RI-TR-92-01, 1992) gives the curvature to drive, measured from the
    car's course instead of its nose; inverting the tyre model for steady cornering gives the
    steer for that curvature.

    Args:
        track: the track.
        vehicle: the car.
        grip_share: share of the car's grip that the speeds are planned with.
        margin_metres: that the planned line keeps from the edges.
    """

    def __init__(
        self,
        track: Track,
        vehicle: Vehicle | None = None,
        *,
        grip_share: float = 0.75,
        margin_metres: float = 1.0,
    ) -> None:
        self._vehicle = vehicle or Vehicle()
        line, profile = racing_profile(track, self._vehicle, margin_metres, grip_share)
        # The line's points lie beside evenly spaced stations of the centre line.
        stride = round(len(track.centre_line) / len(line.points))
        left = track.normal[::stride]
        offset = ((line.points - track.centre_line[::stride]) * left).sum(axis=1)
        closed = np.column_stack([line.points, left, offset])
        closed = np.vstack([closed, closed[:1]])
        self._x, self._y, self._left_x, self._left_y, self._offset = np.ascontiguousarray(closed.T)
        self._speed = np.append(profile.speed, profile.speed[0])
        self._acceleration = np.append(profile.acceleration, profile.acceleration[0])
        self._arc = np.concatenate([[0.0], np.cumsum(line.steps)])
        self._centre_arc = np.linspace(0.0, track.length_metres, len(closed))

    def act(self, state: CarState) -> NDArray[np.float32]:
        """Choose the action in a state: float32 [2] in [-1, 1]."""
        speed = state.speed_metres_per_second
        here = float(np.interp(state.arc_metres, self._centre_arc, self._arc))
        reach = PURSUIT_METRES + PURSUIT_SECONDS * speed
        ahead = here + reach
        # Merge with the line: what is left of the distance to it falls off along the way.
        merge = MERGE_METRES + MERGE_SECONDS * speed
        apart = (state.offset_metres - self._at(here, self._offset)) * exp(-reach / merge)
        away_x = self._at(ahead, self._x) + apart * self._at(ahead, self._left_x) - state.x_metres
        away_y = self._at(ahead, self._y) + apart * self._at(ahead, self._left_y) - state.y_metres
        course = state.yaw_radians
        if speed > 1.0:
            course += atan2(state.sideways_metres_per_second, state.forward_metres_per_second)
        curvature = 2.0 * sin(atan2(away_y, away_x) - course) / hypot(away_x, away_y)
        soon = here + DELAY_SECONDS * speed
        lag = self._at(soon, self._speed) - speed
        wanted = self._at(soon, self._acceleration) + SPEED_GAIN_PER_SECOND * lag
        steer = self._steer(speed, curvature) / self._vehicle.steer_limit_radians
        action = [steer, self._command(speed, wanted)]
        return np.clip(action, -1.0, 1.0).astype(np.float32)

    def _at(self, arc_metres: float, values: NDArray[np.float64]) -> float:
        return float(np.interp(arc_metres % self._arc[-1], self._arc, values))

    def _steer(self, speed: float, curvature: float) -> float:
        """The steer [rad] that holds a curvature [1/m] at a steady speed [m/s]."""
        p = self._vehicle
        sideways = speed * speed * curvature
        half_density = 0.5 * AIR_DENSITY_KILOGRAMS_PER_METRE3
        lift = half_density * p.downforce_area_metres2 * speed * speed / p.mass_kilograms

        def slip(weight_share: float, aero_share: float, friction: float, b: float, c: float) -> float:
            grip = friction * (weight_share * GRAVITY_METRES_PER_SECOND2 + aero_share * lift)
            used = weight_share * sideways / grip
            return tan(asin(min(max(used, -STEER_GRIP_SHARE), STEER_GRIP_SHARE)) / c) / b

        front_share = p.rear_axle_metres / p.wheelbase_metres
        balance = p.aerodynamic_balance
        front = slip(front_share, balance, p.front_friction, p.front_stiffness, p.front_shape)
        rear = slip(1.0 - front_share, 1.0 - balance, p.rear_friction, p.rear_stiffness, p.rear_shape)
        return p.wheelbase_metres * curvature + front - rear

    def _command(self, speed: float, acceleration: float) -> float:
        """Throttle or braking for an acceleration in metres per second squared."""
        p = self._vehicle
        half_density = 0.5 * AIR_DENSITY_KILOGRAMS_PER_METRE3
        drag = half_density * p.drag_area_metres2 * speed * speed / p.mass_kilograms
        force = acceleration + drag
        if force < 0.0:
            return force / p.brake_metres_per_second2
        power_speed = p.power_watts / (p.mass_kilograms * p.drive_metres_per_second2)
        return force / p.drive_metres_per_second2 * hypot(1.0, speed / power_speed)
