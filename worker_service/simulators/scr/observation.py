"""What a policy sees of a car: float32 numbers near 1 in size, from two decisions' sensors."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from worker_service.simulators.scr.protocol import RANGE_FINDERS, RANGE_METRES, Sensors

ANGLES_DEGREES: Final = (-90, -60, -40, -25, -15, -10, -7, -4, -2, 0, 2, 4, 7, 10, 15, 25, 40, 60, 90)
"""Of the range finders, clockwise from straight ahead: closer where the road is far."""
PLACE_METRES: Final = (8000.0, 1000.0, 350.0, 120.0)
"""Wavelengths of the place along the track. Range finders see neither past a bend nor 200 m ahead, where a fast car
brakes already; the place tells, of one track, all that comes."""
METRES_PER_SECOND: Final = 1.0 / 3.6

SPEED_SCALE: Final = 40.0
SIDEWAYS_SCALE: Final = 4.0
ACCELERATION_SCALE: Final = 10.0
ANGLE_SCALE: Final = 0.3
ANGLE_RATE_SCALE: Final = 1.0
SLIP_SCALE: Final = 4.0
RPM_SCALE: Final = 5000.0
GEAR_SCALE: Final = 5.0
LIMIT: Final = 10.0
"""No entry is larger, however the car tumbles."""

ENTRIES: Final = 9 + 4 + RANGE_FINDERS + 2 + 2 * len(PLACE_METRES)


class Observer:
    """Turns sensors into observations, float32 [42], in this order.

    Speed ahead and to the left, acceleration ahead; angle between car and track, positive to the right, and its rate;
    position across the track from -1, the right edge, to 1, the left one, and its rate; rpm; gear; slip of the four
    wheels; square roots of the 19 ranges as shares of 200 m; the last action, steer and acceleration; sine and cosine
    of the place along the track for each wavelength.

    Args:
        wheel_radius_metres: of the car.
        decision_seconds: between two observations.
    """

    def __init__(self, wheel_radius_metres: float, decision_seconds: float) -> None:
        self._wheel_radius_metres = wheel_radius_metres
        self._decision_seconds = decision_seconds
        self._before: tuple[float, float, float] | None = None

    def begin(self) -> None:
        """Forgets the race before."""
        self._before = None

    def observe(self, sensors: Sensors, last_action: Sequence[float]) -> NDArray[np.float32]:
        """The observation.

        Raises:
            MessageError: a sensor is missing.
        """
        speed = sensors.number("speedX") * METRES_PER_SECOND
        angle = sensors.number("angle")
        position = sensors.number("trackPos")
        before = self._before or (speed, angle, position)
        self._before = speed, angle, position
        acceleration, angle_rate, position_rate = (
            (now - then) / self._decision_seconds for now, then in zip(self._before, before, strict=True)
        )
        place = sensors.number("distFromStart")
        spins = sensors.numbers("wheelSpinVel", 4)
        ranges = sensors.numbers("track", RANGE_FINDERS)
        entries = [
            speed / SPEED_SCALE,
            sensors.number("speedY") * METRES_PER_SECOND / SIDEWAYS_SCALE,
            acceleration / ACCELERATION_SCALE,
            angle / ANGLE_SCALE,
            angle_rate / ANGLE_RATE_SCALE,
            position,
            position_rate,
            sensors.number("rpm") / RPM_SCALE,
            sensors.number("gear") / GEAR_SCALE,
            *((self._wheel_radius_metres * spin - speed) / SLIP_SCALE for spin in spins),
            *(math.sqrt(max(0.0, metres) / RANGE_METRES) for metres in ranges),
            *last_action[:2],
        ]
        for wavelength in PLACE_METRES:
            phase = 2.0 * math.pi * place / wavelength
            entries += (math.sin(phase), math.cos(phase))
        return np.clip(np.array(entries, np.float32), -LIMIT, LIMIT)
