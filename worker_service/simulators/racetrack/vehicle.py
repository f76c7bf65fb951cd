"""The car: its parameters and its equations of motion.

A dynamic single-track ("bicycle") model. Axes after ISO 8855: x forward, y left, angles counted
anticlockwise, so that a positive steer turns left.

Symbols: l_f, l_r distances from the centre of gravity to the axles, l = l_f + l_r; delta the
steer of the front wheel; r the yaw rate; F_x, F_y, F_z forces of one axle; q = rho v_x^2 / 2.

Body (Rajamani, Vehicle Dynamics and Control, 2nd ed., ch. 2; Kabzan et al., AMZ Driverless, 2019)::

    x'   = v_x cos(yaw) - v_y sin(yaw)            yaw' = r
    y'   = v_x sin(yaw) + v_y cos(yaw)            delta' = steer rate (an input)
    v_x' = (F_xf cos(delta) - F_yf sin(delta) + F_xr - drag - rolling) / m + v_y r
    v_y' = (F_xf sin(delta) + F_yf cos(delta) + F_yr) / m                  - v_x r
    r'   = (l_f (F_xf sin(delta) + F_yf cos(delta)) - l_r F_yr) / I_z

Tyres: Pacejka's magic formula without the curvature term, on the theoretical lateral slip
(Pacejka, Tire and Vehicle Dynamics, 3rd ed., ch. 3 and 4), times a friction ellipse::

    slip = -v_lateral / sqrt(v_rolling^2 + v_0^2)            velocities in the wheel's frame
    F_y  = mu F_z sqrt(1 - (F_x / (mu F_z))^2) sin(C arctan(B slip))

v_0 regularises the slip at low speed: there a tyre acts as a stiff lateral damper, which holds
the wheels to rolling without side slip; so the model goes over into the kinematic single-track
model smoothly, with no switch, down to standstill and into reverse.

Axle loads: static, plus downforce, plus the load transfer of the longitudinal force F_x::

    F_zf = m g l_r / l + q C_lA b_aero       - h F_x / l
    F_zr = m g l_f / l + q C_lA (1 - b_aero) + h F_x / l

Longitudinal forces from the command u in [-1, 1]; s(F, c) = F / (1 + (F/c)^4)^(1/4) keeps a force
within a capacity, as traction control and anti-lock brakes would::

    drive = max(u, 0) m a_drive / sqrt(1 + (v_x / v_P)^2), v_P = P / (m a_drive): P / v_x when fast
    brake = max(-u, 0) m a_brake sign(v_x)                 sign smooth over 0.5 m/s
    F_xf  = s(-b_brake brake, mu_f F_zf)
    F_xr  = s(drive - (1 - b_brake) brake, mu_r F_zr)
"""

from dataclasses import astuple, dataclass, fields
from math import atan, cos, sin, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker_service.simulators.racetrack.compiled import kernel

GRAVITY_METRES_PER_SECOND2 = 9.81
AIR_DENSITY_KILOGRAMS_PER_METRE3 = 1.2
# Speed over which the direction of rolling changes sign.
SIGN_METRES_PER_SECOND = 0.5

CAR = np.dtype([(name, np.float64) for name in ("x", "y", "yaw", "vx", "vy", "yaw_rate", "steer")], align=True)
"""The state: metres in the world, radians, metres per second in the car's frame."""

State = tuple[float, float, float, float, float, float, float]
"""The fields of `CAR`, in their order."""


@dataclass(frozen=True)
class Vehicle:
    """Parameters of the car: by default a light, rear-driven racing car with wings.

    Raises:
        ValueError: a parameter is not a positive number.
    """

    mass_kilograms: float = 1000.0
    yaw_inertia_kilogram_metres2: float = 1150.0
    front_axle_metres: float = 1.54
    """From the centre of gravity forward to the front axle."""
    rear_axle_metres: float = 1.16
    gravity_centre_height_metres: float = 0.30
    front_friction: float = 1.60
    """Peak friction coefficient mu = D / F_z."""
    front_stiffness: float = 10.5
    """B of the magic formula; B C mu is the cornering stiffness per unit of load [1/rad]."""
    front_shape: float = 1.5
    """C of the magic formula."""
    rear_friction: float = 1.75
    rear_stiffness: float = 15.0
    rear_shape: float = 1.5
    drag_area_metres2: float = 1.2
    """Drag coefficient times frontal area."""
    downforce_area_metres2: float = 3.0
    """Lift coefficient, downwards, times frontal area."""
    aerodynamic_balance: float = 0.42
    """Share of the downforce on the front axle."""
    rolling_resistance: float = 0.012
    drive_metres_per_second2: float = 8.0
    """Acceleration that full throttle asks for at low speed."""
    power_watts: float = 300_000.0
    """Limit at the rear wheels."""
    brake_metres_per_second2: float = 16.0
    """Deceleration that full braking asks for; the tyres may give less."""
    brake_balance: float = 0.66
    """Share of the braking on the front axle."""
    steer_limit_radians: float = 0.3
    steer_rate_radians_per_second: float = 0.8
    slip_regularisation_metres_per_second: float = 3.0
    """v_0: well above it slip is as measured, well below it the car moves as a kinematic one."""
    length_metres: float = 4.6
    """Length and width are for pictures: contact with the track's edge is a rule of its own."""
    width_metres: float = 1.9

    def __post_init__(self) -> None:
        for field, value in zip(fields(self), astuple(self), strict=True):
            if not (np.isfinite(value) and value > 0.0):
                raise ValueError(f"vehicle parameter {field.name} is {value}; it must be a positive number")

    @property
    def wheelbase_metres(self) -> float:
        """Distance between the axles."""
        return self.front_axle_metres + self.rear_axle_metres

    def record(self) -> NDArray[Any]:
        """The parameters as compiled functions take them: a structured array [1]."""
        dtype = np.dtype([(field.name, np.float64) for field in fields(self)], align=True)
        return np.array([astuple(self)], dtype=dtype)


@kernel
def _within(force: float, capacity: float) -> float:
    ratio = force / capacity
    squared = ratio * ratio
    return force / sqrt(sqrt(1.0 + squared * squared))


@kernel
def derivatives(state: State, steer_rate: float, command: float, p: Any) -> State:
    """The equations of motion (see the module's docstring).

    Args:
        state: x, y [m], yaw [rad], v_x, v_y [m/s], yaw rate [rad/s], steer [rad].
        steer_rate: of the front wheel [rad/s].
        command: throttle, up to 1, or braking, down to -1.
        p: one record of `Vehicle.record`.

    Returns:
        The derivative of every state by time.
    """
    _, _, yaw, vx, vy, yaw_rate, steer = state
    m = p.mass_kilograms
    wheelbase = p.front_axle_metres + p.rear_axle_metres
    weight = m * GRAVITY_METRES_PER_SECOND2
    direction = vx / sqrt(vx * vx + SIGN_METRES_PER_SECOND * SIGN_METRES_PER_SECOND)
    half_density = 0.5 * AIR_DENSITY_KILOGRAMS_PER_METRE3
    downforce = half_density * p.downforce_area_metres2 * vx * vx
    resistance = half_density * p.drag_area_metres2 * vx * abs(vx)
    resistance += p.rolling_resistance * weight * direction

    power_speed = p.power_watts / (m * p.drive_metres_per_second2)
    drive = max(command, 0.0) * m * p.drive_metres_per_second2
    drive /= sqrt(1.0 + (vx / power_speed) * (vx / power_speed))
    brake = max(-command, 0.0) * m * p.brake_metres_per_second2 * direction

    # Load transfer: by the force asked for, as far as all four tyres could give it.
    grip = 0.5 * (p.front_friction + p.rear_friction) * (weight + downforce)
    transfer = _within(drive - brake, grip) * p.gravity_centre_height_metres / wheelbase
    load_front = weight * p.rear_axle_metres / wheelbase + downforce * p.aerodynamic_balance
    load_rear = weight + downforce - load_front
    capacity_front = p.front_friction * (load_front - transfer)
    capacity_rear = p.rear_friction * (load_rear + transfer)

    fx_front = _within(-p.brake_balance * brake, capacity_front)
    fx_rear = _within(drive - (1.0 - p.brake_balance) * brake, capacity_rear)
    used_front = fx_front / capacity_front
    used_rear = fx_rear / capacity_rear

    cos_steer = cos(steer)
    sin_steer = sin(steer)
    v_0_squared = p.slip_regularisation_metres_per_second**2
    across = vy + p.front_axle_metres * yaw_rate
    rolling = vx * cos_steer + across * sin_steer
    slip_front = (vx * sin_steer - across * cos_steer) / sqrt(rolling * rolling + v_0_squared)
    slip_rear = (p.rear_axle_metres * yaw_rate - vy) / sqrt(vx * vx + v_0_squared)
    fy_front = capacity_front * sqrt(1.0 - used_front * used_front)
    fy_front *= sin(p.front_shape * atan(p.front_stiffness * slip_front))
    fy_rear = capacity_rear * sqrt(1.0 - used_rear * used_rear)
    fy_rear *= sin(p.rear_shape * atan(p.rear_stiffness * slip_rear))

    along_front = fx_front * cos_steer - fy_front * sin_steer
    across_front = fx_front * sin_steer + fy_front * cos_steer
    cos_yaw = cos(yaw)
    sin_yaw = sin(yaw)
    return (
        vx * cos_yaw - vy * sin_yaw,
        vx * sin_yaw + vy * cos_yaw,
        yaw_rate,
        (along_front + fx_rear - resistance) / m + vy * yaw_rate,
        (across_front + fy_rear) / m - vx * yaw_rate,
        (p.front_axle_metres * across_front - p.rear_axle_metres * fy_rear) / p.yaw_inertia_kilogram_metres2,
        steer_rate,
    )


@kernel
def _moved(state: State, slope: State, seconds: float) -> State:
    return (
        state[0] + seconds * slope[0],
        state[1] + seconds * slope[1],
        state[2] + seconds * slope[2],
        state[3] + seconds * slope[3],
        state[4] + seconds * slope[4],
        state[5] + seconds * slope[5],
        state[6] + seconds * slope[6],
    )


@kernel
def advance(
    car: NDArray[Any],
    vehicle: NDArray[Any],
    steer_action: float,
    command: float,
    seconds: float,
    substeps: int,
) -> None:
    """Move the car through one control interval, in place.

    The steer goes to its target at a constant rate, to arrive at the interval's end, or as far
    as the rate limit allows. Integration: classical fourth-order Runge-Kutta.

    Args:
        car: structured array [1] of `CAR`.
        vehicle: `Vehicle.record`.
        steer_action: steer target as a share of the steer limit, in [-1, 1].
        command: throttle or braking, in [-1, 1].
        seconds: length of the interval.
        substeps: integration steps in the interval.
    """
    p = vehicle[0]
    c = car[0]
    limit = p.steer_rate_radians_per_second
    steer_rate = (steer_action * p.steer_limit_radians - c.steer) / seconds
    steer_rate = min(max(steer_rate, -limit), limit)
    h = seconds / substeps
    state = (c.x, c.y, c.yaw, c.vx, c.vy, c.yaw_rate, c.steer)
    for _ in range(substeps):
        k1 = derivatives(state, steer_rate, command, p)
        k2 = derivatives(_moved(state, k1, 0.5 * h), steer_rate, command, p)
        k3 = derivatives(_moved(state, k2, 0.5 * h), steer_rate, command, p)
        k4 = derivatives(_moved(state, k3, h), steer_rate, command, p)
        state = _moved(state, k1, h / 6.0)
        state = _moved(state, k2, h / 3.0)
        state = _moved(state, k3, h / 3.0)
        state = _moved(state, k4, h / 6.0)
    c.x, c.y, c.yaw, c.vx, c.vy, c.yaw_rate, c.steer = state
