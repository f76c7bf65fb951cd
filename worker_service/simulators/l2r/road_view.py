"""The car on its course as `Racetrack-v0` sees it, from a pose."""

import numpy as np
from numpy.typing import NDArray

from worker_service.simulators.l2r.conventions import Conventions
from worker_service.simulators.l2r.course import Course
from worker_service.simulators.l2r.protocol import Pose, PoseIndex
from worker_service.simulators.racetrack import tracking
from worker_service.simulators.racetrack.car_state import CarState
from worker_service.simulators.racetrack.vehicle import CAR

NO_REWARD = tracking.Reward().record()
"""`follow` weighs a reward that this environment does not use."""


class RoadView:
    """Follows the car by its poses.

    Args:
        course: where it drives.
        conventions: of the poses.
        steer_limit_radians: that a full steer asks for.
    """

    def __init__(self, course: Course, conventions: Conventions, steer_limit_radians: float) -> None:
        self._course = course
        self._conventions = conventions
        self._steer_limit = steer_limit_radians
        self._car = np.zeros(1, CAR)
        self._place = np.zeros(1, tracking.PLACE)
        self._stations = course.track.stations
        self._spacing = course.track.spacing_metres

    def begin(self, pose: Pose) -> None:
        """An episode begins here; distances count from the start line."""
        self._read(pose)
        track = self._course.track
        away = track.centre_line - (self._car["x"][0], self._car["y"][0])
        station = int((away * away).sum(axis=1).argmin())
        self._place[0] = 0.0
        arc = station * self._spacing
        # Just behind the line is not a whole lap ahead of it.
        self._place["arc_metres"] = arc
        self._place["distance_metres"] = arc if arc < 0.5 * track.length_metres else arc - track.length_metres
        self._follow(0.0, 0.0, 0.0)

    def step(self, pose: Pose, steer_action: float, acceleration_action: float, seconds: float) -> float:
        """Takes in the pose after a step; returns the progress along the centre line in metres."""
        self._read(pose)
        return self._follow(steer_action, acceleration_action, seconds)

    @property
    def state(self) -> CarState:
        """Where the car is and how it moves."""
        return CarState.from_records(self._car, self._place)

    def observe(self) -> NDArray[np.float32]:
        """The 59 numbers of `tracking`."""
        out = np.empty(tracking.OBSERVATION_ENTRIES, np.float32)
        tracking.observe(self._car, self._place, self._stations, self._spacing, self._steer_limit, out)
        return out

    def _read(self, pose: Pose) -> None:
        """Takes the car's state from a pose whose place is North, East, Up."""
        conventions, car = self._conventions, self._car[0]
        yaw = conventions.decode_yaw(float(pose[PoseIndex.YAW]))
        first, second = pose[PoseIndex.VELOCITY : PoseIndex.VELOCITY + 2].tolist()
        if conventions.velocity == "world":
            first, second = (
                first * np.cos(yaw) + second * np.sin(yaw),
                second * np.cos(yaw) - first * np.sin(yaw),
            )
        car["x"], car["y"], car["yaw"] = pose[PoseIndex.LATITUDE], pose[PoseIndex.LONGITUDE], yaw
        car["vx"], car["vy"] = first, second
        car["yaw_rate"] = conventions.yaw_rate_sign * pose[PoseIndex.ANGULAR_VELOCITY + 2]
        car["steer"] = conventions.steer_sign * pose[PoseIndex.STEER]

    def _follow(self, steer_action: float, acceleration_action: float, seconds: float) -> float:
        _, _, progress = tracking.follow(
            self._car,
            self._place,
            self._stations,
            self._spacing,
            NO_REWARD,
            steer_action * self._conventions.steer_sign,
            acceleration_action,
            seconds,
            np.inf,
        )
        return float(progress)
