"""The equations of `vehicle.derivatives` as CasADi expressions, which optimal control differentiates."""

from typing import Any

import casadi

from worker_service.simulators.racetrack.vehicle import (
    AIR_DENSITY_KILOGRAMS_PER_METRE3,
    GRAVITY_METRES_PER_SECOND2,
    SIGN_METRES_PER_SECOND,
    Vehicle,
)


def symbolic_derivatives(state: Any, throttle: Any, brake: Any, p: Vehicle) -> tuple[Any, Any, Any]:
    """The accelerations of the car; see the docstring of `vehicle` for formulas and symbols.

    Args:
        state: CasADi expressions v_x, v_y [m/s], yaw rate [rad/s], steer [rad].
        throttle, brake: max(u, 0) and max(-u, 0) of the command u, in [0, 1].
        p: the car.

    Returns:
        v_x', v_y' [m/s^2] and the yaw rate's derivative [rad/s^2].
    """
    vx, vy, yaw_rate, steer = state
    m = p.mass_kilograms
    wheelbase = p.wheelbase_metres
    weight = m * GRAVITY_METRES_PER_SECOND2
    direction = vx / casadi.sqrt(vx * vx + SIGN_METRES_PER_SECOND**2)
    half_density = 0.5 * AIR_DENSITY_KILOGRAMS_PER_METRE3
    downforce = half_density * p.downforce_area_metres2 * vx * vx
    resistance = half_density * p.drag_area_metres2 * vx * casadi.fabs(vx)
    resistance += p.rolling_resistance * weight * direction

    power_speed = p.power_watts / (m * p.drive_metres_per_second2)
    drive = throttle * m * p.drive_metres_per_second2 / casadi.sqrt(1.0 + (vx / power_speed) ** 2)
    braking = brake * m * p.brake_metres_per_second2 * direction

    grip = 0.5 * (p.front_friction + p.rear_friction) * (weight + downforce)
    transfer = _within(drive - braking, grip) * p.gravity_centre_height_metres / wheelbase
    load_front = weight * p.rear_axle_metres / wheelbase + downforce * p.aerodynamic_balance
    load_rear = weight + downforce - load_front
    capacity_front = p.front_friction * (load_front - transfer)
    capacity_rear = p.rear_friction * (load_rear + transfer)

    fx_front = _within(-p.brake_balance * braking, capacity_front)
    fx_rear = _within(drive - (1.0 - p.brake_balance) * braking, capacity_rear)

    cos_steer, sin_steer = casadi.cos(steer), casadi.sin(steer)
    v_0 = p.slip_regularisation_metres_per_second
    across = vy + p.front_axle_metres * yaw_rate
    rolling = vx * cos_steer + across * sin_steer
    slip_front = (vx * sin_steer - across * cos_steer) / casadi.sqrt(rolling**2 + v_0**2)
    slip_rear = (p.rear_axle_metres * yaw_rate - vy) / casadi.sqrt(vx**2 + v_0**2)
    fy_front = capacity_front * casadi.sqrt(1.0 - (fx_front / capacity_front) ** 2)
    fy_front *= casadi.sin(p.front_shape * casadi.atan(p.front_stiffness * slip_front))
    fy_rear = capacity_rear * casadi.sqrt(1.0 - (fx_rear / capacity_rear) ** 2)
    fy_rear *= casadi.sin(p.rear_shape * casadi.atan(p.rear_stiffness * slip_rear))

    along_front = fx_front * cos_steer - fy_front * sin_steer
    across_front = fx_front * sin_steer + fy_front * cos_steer
    return (
        (along_front + fx_rear - resistance) / m + vy * yaw_rate,
        (across_front + fy_rear) / m - vx * yaw_rate,
        (p.front_axle_metres * across_front - p.rear_axle_metres * fy_rear) / p.yaw_inertia_kilogram_metres2,
    )


def _within(force: Any, capacity: Any) -> Any:
    return force / casadi.sqrt(casadi.sqrt(1.0 + (force / capacity) ** 4))
