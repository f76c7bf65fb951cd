"""The emulated car on its course: actions in, poses and pictures out."""

from typing import Final

import numpy as np

from worker_service.simulators.l2r.conventions import Conventions
from worker_service.simulators.l2r.course import Course
from worker_service.simulators.l2r.protocol import POSE_ENTRIES, Action, Gear, Image, Pose, PoseIndex
from worker_service.simulators.racetrack.camera import Camera
from worker_service.simulators.racetrack.vehicle import CAR, GRAVITY_METRES_PER_SECOND2, Vehicle, advance

PHYSICS_SECONDS: Final = 0.01
WHEEL_RADIUS_METRES: Final = 0.3
MANUAL, AUTONOMOUS = 0, 1
IDLE: Final = Action(steer_radians=0.0, acceleration=0.0, gear=Gear.PARK)


class EmulatedCar:
    """The embedded car, told what to do as the simulator's is.

    Args:
        course: where it stands.
        conventions: of signs and frames.
    """

    def __init__(self, course: Course, conventions: Conventions) -> None:
        self.course = course
        self._conventions = conventions
        self.set_vehicle(Vehicle())
        self._car = np.zeros(1, CAR)
        self.autonomous = False
        self.reset()

    @property
    def vehicle(self) -> Vehicle:
        """Its parameters."""
        return self._vehicle

    def set_vehicle(self, vehicle: Vehicle) -> None:
        """Gives it other parameters from now on."""
        self._vehicle = vehicle
        self._parameters = vehicle.record()

    def reset(self) -> None:
        """Puts it at rest on the start line."""
        start = self.course.track.stations[0]
        self.place(float(start["x"]), float(start["y"]), float(start["heading"]))

    def place(self, east: float, north: float, yaw_radians: float) -> None:
        """Puts it at rest somewhere.

        Args:
            yaw_radians: anticlockwise from East.
        """
        self._car[0] = 0.0
        self._car["x"], self._car["y"], self._car["yaw"] = east, north, yaw_radians
        self._action = IDLE
        self._acceleration = np.zeros(2)

    def drive(self, action: Action) -> None:
        """Does as told from now on, if a client may drive."""
        if self.autonomous:
            self._action = action

    @property
    def place_and_yaw(self) -> tuple[float, float, float]:
        """East, North in metres, and yaw, anticlockwise from East."""
        car = self._car[0]
        return float(car["x"]), float(car["y"]), float(car["yaw"])

    def advance(self, seconds: float) -> None:
        """Moves it on."""
        car = self._car[0]
        before = self._world_velocity()
        limit = self._vehicle.steer_limit_radians
        steer = float(np.clip(self._conventions.steer_sign * self._action.steer_radians / limit, -1.0, 1.0))
        substeps = max(1, round(seconds / PHYSICS_SECONDS))
        advance(self._car, self._parameters, steer, self._command(), seconds, substeps)
        change = (self._world_velocity() - before) / seconds
        cos_yaw, sin_yaw = np.cos(car["yaw"]), np.sin(car["yaw"])
        self._acceleration = np.array([[cos_yaw, sin_yaw], [-sin_yaw, cos_yaw]]) @ change

    def pose(self) -> Pose:
        """As the simulator sends it: float64 [30]."""
        car, conventions, index = self._car[0], self._conventions, PoseIndex
        forward, left = float(car["vx"]), float(car["vy"])
        pose = np.zeros(POSE_ENTRIES)
        pose[index.STEER] = conventions.steer_sign * car["steer"]
        pose[index.GEAR] = self._action.gear
        pose[index.MODE] = AUTONOMOUS if self.autonomous else MANUAL
        velocity = (forward, left) if conventions.velocity == "car" else tuple(self._world_velocity())
        pose[index.VELOCITY : index.VELOCITY + 2] = velocity
        pose[index.ACCELERATION : index.ACCELERATION + 2] = self._acceleration
        # At rest an accelerometer shows what holds the car up.
        pose[index.ACCELERATION + 2] = GRAVITY_METRES_PER_SECOND2
        pose[index.ANGULAR_VELOCITY + 2] = conventions.yaw_rate_sign * car["yaw_rate"]
        pose[index.YAW] = conventions.encode_yaw(float(car["yaw"]))
        place = self.course.reference.geodetic(np.array([car["x"], car["y"], 0.0]))
        pose[index.LONGITUDE : index.LONGITUDE + 3] = place
        pose[index.WHEEL_RPM : index.WHEEL_RPM + 4] = forward / WHEEL_RADIUS_METRES * 30.0 / np.pi
        command = self._command()
        pose[index.BRAKE : index.BRAKE + 4] = max(-command, 0.0)
        drive = max(command, 0.0) * self._vehicle.mass_kilograms * self._vehicle.drive_metres_per_second2
        pose[index.TORQUE + 2 : index.TORQUE + 4] = 0.5 * drive * WHEEL_RADIUS_METRES
        return pose

    def picture(self, camera: Camera, turn_radians: float) -> Image:
        """What a camera sees that is turned to the left so far."""
        turned = self._car.copy()
        turned["yaw"] += turn_radians
        return camera.picture(turned)

    def _command(self) -> float:
        """Throttle or braking: a share of what the car can do at most, and no throttle but in drive."""
        wanted = self._action.acceleration
        if wanted < 0.0:
            return max(wanted / self._vehicle.brake_metres_per_second2, -1.0)
        if self._action.gear != Gear.DRIVE:
            return 0.0
        return min(wanted / self._vehicle.drive_metres_per_second2, 1.0)

    def _world_velocity(self) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        car = self._car[0]
        cos_yaw, sin_yaw = np.cos(car["yaw"]), np.sin(car["yaw"])
        return np.array([car["vx"] * cos_yaw - car["vy"] * sin_yaw, car["vx"] * sin_yaw + car["vy"] * cos_yaw])
