"""Driver aids, 50 times a second: brakes that do not lock the wheels, and an engine that does not spin them.

A policy decides ten times a second, and a wheel locks within a twentieth.
"""

from collections.abc import Sequence
from dataclasses import dataclass

LEAST_METRES_PER_SECOND = 3.0
"""Below this a car may lock its wheels: it is about to stand."""


@dataclass(frozen=True, kw_only=True)
class DriverAids:
    """How much slip is let through; wheels slip by what their rim is slower or faster than the car."""

    wheel_radius_metres: float = 0.3325
    slip_metres_per_second: float = 2.0
    """Up to this slip nothing is taken away."""
    range_metres_per_second: float = 4.0
    """Over so much more slip brake or throttle fall to nothing."""

    def brake(self, brake: float, speed: float, spins: Sequence[float]) -> float:
        """The brake that is let through.

        Args:
            brake: asked for, in [0, 1].
            speed: of the car [m/s].
            spins: of the wheels [rad/s].
        """
        if speed < LEAST_METRES_PER_SECOND:
            return brake
        slip = speed - self.wheel_radius_metres * sum(spins) / len(spins)
        return brake * self._share(slip)

    def throttle(self, throttle: float, speed: float, spins: Sequence[float]) -> float:
        """The throttle that is let through; arguments as of `brake`."""
        return throttle * self._share(self.wheel_radius_metres * max(spins) - speed)

    def _share(self, slip: float) -> float:
        return min(1.0, max(0.0, 1.0 - (slip - self.slip_metres_per_second) / self.range_metres_per_second))
