"""The car's state by name, for drivers, drawings and logs."""

from dataclasses import dataclass
from math import hypot
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True)
class CarState:
    """Where the car is and how it moves: in the world, in its own frame, and on the track."""

    x_metres: float
    y_metres: float
    yaw_radians: float
    """Anticlockwise from the x axis, without wrap."""
    forward_metres_per_second: float
    sideways_metres_per_second: float
    """To the left."""
    yaw_rate_radians_per_second: float
    steer_radians: float
    arc_metres: float
    """Along the centre line from the start line, less than a lap."""
    distance_metres: float
    """The same, growing from lap to lap."""
    offset_metres: float
    """From the centre line, to the left."""
    heading_error_radians: float
    """Yaw relative to the centre line's direction, in [-pi, pi)."""

    @classmethod
    def from_records(cls, car: NDArray[Any], place: NDArray[Any]) -> "CarState":
        """Read the state from structured arrays [1] of `vehicle.CAR` and `tracking.PLACE`."""
        x, y, yaw, vx, vy, yaw_rate, steer = car[0].item()
        at = place[0]
        return cls(
            x_metres=x,
            y_metres=y,
            yaw_radians=yaw,
            forward_metres_per_second=vx,
            sideways_metres_per_second=vy,
            yaw_rate_radians_per_second=yaw_rate,
            steer_radians=steer,
            arc_metres=float(at["arc_metres"]),
            distance_metres=float(at["distance_metres"]),
            offset_metres=float(at["offset_metres"]),
            heading_error_radians=float(at["heading_error_radians"]),
        )

    @property
    def speed_metres_per_second(self) -> float:
        """Over the ground, in whatever direction."""
        return hypot(self.forward_metres_per_second, self.sideways_metres_per_second)
