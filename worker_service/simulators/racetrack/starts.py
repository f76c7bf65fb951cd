"""Where an episode begins."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker_service.simulators.racetrack.speed_profile import speed_profile
from worker_service.simulators.racetrack.track import Track
from worker_service.simulators.racetrack.vehicle import Vehicle

STARTS = ("random", "standing")

# Random starts: shares of the width beside the centre line, of the grip in use at most.
WIDTH_SHARE = 0.6
GRIP_SHARE = 0.5
TURN_RADIANS = 0.1


class Starts:
    """Puts a car on a track, rolling along the bend without side slip.

    Args:
        track: the track.
        vehicle: the car.
    """

    def __init__(self, track: Track, vehicle: Vehicle) -> None:
        self._stations = track.stations
        self._spacing = track.spacing_metres
        self._vehicle = vehicle
        steps = np.full(len(track.centre_line), track.spacing_metres)
        self._speeds = speed_profile(track.curvature, steps, vehicle, GRIP_SHARE).speed

    def standing(self, car: NDArray[Any], place: NDArray[Any]) -> None:
        """At rest on the start line.

        Args:
            car: structured array [1] of `vehicle.CAR`, written.
            place: structured array [1] of `tracking.PLACE`, written.
        """
        self._put(car, place, station=0, offset_metres=0.0, turn_radians=0.0, speed=0.0)

    def random(self, car: NDArray[Any], place: NDArray[Any], random: np.random.Generator) -> None:
        """Anywhere: up to 60 % of the width and 0.1 rad off, up to the speed that half the grip allows.

        Args:
            car, place: see `standing`.
            random: decides.
        """
        station = int(random.integers(len(self._speeds)))
        left, right = self._stations["left_width"][station], self._stations["right_width"][station]
        self._put(
            car,
            place,
            station=station,
            offset_metres=float(random.uniform(-WIDTH_SHARE * right, WIDTH_SHARE * left)),
            turn_radians=float(random.uniform(-TURN_RADIANS, TURN_RADIANS)),
            speed=float(random.uniform(0.0, self._speeds[station])),
        )

    def _put(
        self,
        car: NDArray[Any],
        place: NDArray[Any],
        *,
        station: int,
        offset_metres: float,
        turn_radians: float,
        speed: float,
    ) -> None:
        at = self._stations[station]
        limit = self._vehicle.steer_limit_radians
        car[0] = 0.0
        car["x"] = at["x"] - offset_metres * np.sin(at["heading"])
        car["y"] = at["y"] + offset_metres * np.cos(at["heading"])
        car["yaw"] = at["heading"] + turn_radians
        car["vx"] = speed
        car["yaw_rate"] = speed * at["curvature"]
        car["steer"] = np.clip(np.arctan(self._vehicle.wheelbase_metres * at["curvature"]), -limit, limit)
        place[0] = 0.0
        place["arc_metres"] = place["distance_metres"] = station * self._spacing
        place["offset_metres"] = offset_metres
        place["heading_error_radians"] = turn_radians
        place["steer_action"] = car["steer"] / limit
