"""How fast a point mass with the car's grip, power and brakes can follow a given line."""

from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker_service.simulators.racetrack.compiled import kernel
from worker_service.simulators.racetrack.vehicle import (
    AIR_DENSITY_KILOGRAMS_PER_METRE3,
    GRAVITY_METRES_PER_SECOND2,
    Vehicle,
)

Floats = NDArray[np.float64]

# Above any speed the power allows; only keeps straights finite.
SPEED_CAP_METRES_PER_SECOND = 150.0


@dataclass(frozen=True)
class SpeedProfile:
    """Speeds along a closed line.

    Args:
        speed: float64 [N], metres per second at the line's points.
        steps: float64 [N], metres from each point to the next.
    """

    speed: Floats
    steps: Floats

    @property
    def lap_seconds(self) -> float:
        """Time of one flying lap."""
        return float(np.sum(2.0 * self.steps / (self.speed + np.roll(self.speed, -1))))

    @property
    def acceleration(self) -> Floats:
        """Along the line from each point to the next [N], metres per second squared."""
        return np.asarray((np.roll(self.speed, -1) ** 2 - self.speed**2) / (2.0 * self.steps))


def speed_profile(curvature: Floats, steps: Floats, vehicle: Vehicle, grip_share: float = 1.0) -> SpeedProfile:
    """The fastest speeds at which a point mass stays within the car's limits on a closed line.

    Forward-backward integration (Kapania, Subosits and Gerdes, J. Dyn. Sys. Meas. Control 138(9),
    2016): cornering speed everywhere, then acceleration forwards and braking backwards through
    what the friction circle leaves. The mass has the friction of all four tyres at their loads
    (with downforce), drag, the drive's and the brakes' limits of `vehicle`; it has no yaw, no
    load transfer between axles and changes its forces at once, so on the same line the car of
    `vehicle.py` cannot do better but for the discretisation.

    Args:
        curvature: float64 [N], 1/metres.
        steps: float64 [N], metres from each point to the next.
        vehicle: the car.
        grip_share: share of the tyres' friction and of the brakes to use, in (0, 1].
    """
    speed = np.empty(len(curvature))
    _fill(np.abs(curvature), np.ascontiguousarray(steps), vehicle.record(), grip_share, speed)
    return SpeedProfile(speed=speed, steps=steps)


@kernel
def _fill(curvature: Floats, steps: Floats, vehicle: NDArray[Any], grip_share: float, speed: Floats) -> None:
    p = vehicle[0]
    m = p.mass_kilograms
    gravity = GRAVITY_METRES_PER_SECOND2
    front_share = p.rear_axle_metres / (p.front_axle_metres + p.rear_axle_metres)
    balance = p.aerodynamic_balance
    # Grip at speed v: grip_0 + grip_2 v^2 [m/s^2], summed over the axles.
    half_density = 0.5 * AIR_DENSITY_KILOGRAMS_PER_METRE3
    grip_0 = front_share * p.front_friction + (1.0 - front_share) * p.rear_friction
    grip_0 *= grip_share * gravity
    grip_2 = balance * p.front_friction + (1.0 - balance) * p.rear_friction
    grip_2 *= grip_share * half_density * p.downforce_area_metres2 / m
    drag_2 = half_density * p.drag_area_metres2 / m
    rolling = p.rolling_resistance * gravity
    power_speed = p.power_watts / (m * p.drive_metres_per_second2)
    brake_limit = grip_share * p.brake_metres_per_second2

    count = len(curvature)
    slowest = 0
    for i in range(count):
        sharp = curvature[i] - grip_2
        speed[i] = SPEED_CAP_METRES_PER_SECOND
        if sharp > 0.0:
            speed[i] = min(speed[i], sqrt(grip_0 / sharp))
        if speed[i] < speed[slowest]:
            slowest = i
    # Two laps from the slowest point, so that nothing depends on where the lap begins.
    for k in range(2 * count):
        i = (slowest + k) % count
        following = (i + 1) % count
        v = speed[i]
        grip = grip_0 + grip_2 * v * v
        used = min(v * v * curvature[i] / grip, 1.0)
        drive = p.drive_metres_per_second2 / sqrt(1.0 + (v / power_speed) ** 2)
        forward = min(drive, grip * sqrt(1.0 - used * used)) - drag_2 * v * v - rolling
        reached = sqrt(max(v * v + 2.0 * forward * steps[i], 1.0))
        speed[following] = min(speed[following], reached)
    for k in range(2 * count):
        i = (slowest - k) % count
        before = (i - 1) % count
        v = speed[i]
        grip = grip_0 + grip_2 * v * v
        used = min(v * v * curvature[i] / grip, 1.0)
        backward = min(brake_limit, grip * sqrt(1.0 - used * used)) + drag_2 * v * v + rolling
        speed[before] = min(speed[before], sqrt(v * v + 2.0 * backward * steps[before]))
