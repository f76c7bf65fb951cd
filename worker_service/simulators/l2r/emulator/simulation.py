"""The emulated simulator: the level that is open, the car on it, and its sensors."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any, Final

from worker_service.simulators.l2r.conventions import Conventions
from worker_service.simulators.l2r.course import LEVELS, find_course, level_name
from worker_service.simulators.l2r.emulator.car import EmulatedCar
from worker_service.simulators.l2r.emulator.sensors import TURNS, Sensor, new_sensors
from worker_service.simulators.l2r.protocol import (
    DRIVER,
    MODE_PARAMETER,
    Action,
    Pose,
    encode_image,
)
from worker_service.simulators.racetrack.camera import Camera
from worker_service.simulators.racetrack.vehicle import Vehicle

MAIN_MENU: Final = "MainMenu"


class Simulation:
    """All that the interfaces show, without the interfaces.

    Args:
        conventions: of signs and frames.
        track: a course beside those of Learn-to-Race; opened at once if given.

    Raises:
        ValueError, OSError: see `find_course`.
    """

    def __init__(self, conventions: Conventions, track: str | None = None) -> None:
        self._conventions = conventions
        self._courses = {level_name(level.circuit): name for name, level in LEVELS.items()}
        self._sensors = new_sensors()
        self._cameras: dict[str, Camera] = {}
        self._vehicle = Vehicle()
        self._car: EmulatedCar | None = None
        self._seconds = 0.0
        self._frames = 0
        if track is not None:
            course = find_course(track)
            self._courses[course.level_name] = track
            self.open_level(course.level_name)

    @property
    def car(self) -> EmulatedCar | None:
        """None in the main menu."""
        return self._car

    @property
    def level(self) -> str:
        """The open level's name."""
        return self._car.course.level if self._car else MAIN_MENU

    @property
    def levels(self) -> list[str]:
        """Of all levels, as `open_level` takes them."""
        return list(self._courses)

    @property
    def pose_address(self) -> str | None:
        """Where poses go; None as long as no client drives by UDP."""
        values = self._sensors[DRIVER].values
        return str(values["DriverAPI_UDP_SendAddress"]) if values["DriverAPIClass"] == "VApiUdp" else None

    def open_level(self, name: str) -> None:
        """Loads a level, given by its path or its name alone.

        Raises:
            ValueError: there is none of this name, or its map cannot be read.
            OSError: a file cannot be read.
        """
        stems = {path.rpartition("/")[2].partition(".")[0]: course for path, course in self._courses.items()}
        course = self._courses.get(name) or stems.get(name)
        if course is None:
            raise ValueError(f"level {name!r} is unknown; it must be one of {', '.join(self._courses)}")
        self._car = EmulatedCar(find_course(course), self._conventions)
        self._car.set_vehicle(self._vehicle)
        self._cameras.clear()
        self._seat()

    def reset_level(self) -> None:
        """Puts the car back on the start line; its parameters and the sensors stay, but the wheel is taken away.

        Raises:
            ValueError: no level is open.
        """
        self._on_track().reset()
        self.set_sensor(DRIVER, {MODE_PARAMETER: False})

    def sensor(self, name: str) -> Sensor:
        """The sensor of this name.

        Raises:
            ValueError: there is none.
        """
        if name not in self._sensors:
            raise ValueError(f"sensor {name!r} is unknown; this emulator has {', '.join(self._sensors)}")
        return self._sensors[name]

    @property
    def sensors(self) -> list[Sensor]:
        """All of them."""
        return list(self._sensors.values())

    def set_sensor(self, name: str, values: dict[str, Any]) -> None:
        """Sets parameters of a sensor.

        Raises:
            ValueError: sensor or parameter are unknown, or a value breaks its rule.
        """
        for parameter, value in values.items():
            self.sensor(name).set(parameter, value)
        self._cameras.pop(name, None)
        self._seat()

    def enable(self, name: str, enabled: bool) -> None:
        """Switches a sensor on or off.

        Raises:
            ValueError: there is no such sensor.
        """
        self.sensor(name).enabled = enabled

    def set_vehicle(self, values: dict[str, float]) -> None:
        """Sets parameters of the vehicle; none resets them all.

        Raises:
            ValueError: a parameter is unknown or not positive.
        """
        unknown = values.keys() - asdict(self._vehicle).keys()
        if unknown:
            raise ValueError(f"the vehicle has no parameter {', '.join(sorted(unknown))}")
        self._vehicle = replace(self._vehicle, **values) if values else Vehicle()
        if self._car is not None:
            self._car.set_vehicle(self._vehicle)

    @property
    def vehicle(self) -> Vehicle:
        """Its parameters."""
        return self._vehicle

    def place(self, x: float, y: float, yaw: float) -> None:
        """Puts the car at rest: x against East, y against North, yaw as the conventions have it.

        Raises:
            ValueError: no level is open.
        """
        self._on_track().place(-x, -y, self._conventions.decode_start_yaw(yaw))

    def vehicle_state(self) -> dict[str, Any]:
        """As `get_vehicle_state` answers.

        Raises:
            ValueError: no level is open.
        """
        east, north, yaw = self._on_track().place_and_yaw
        return {"pos_xyz": [-east, -north, 0.0], "yaw": self._conventions.encode_start_yaw(yaw)}

    def drive(self, action: Action) -> None:
        """Takes in an action, if there is a car and its driver is a client."""
        if self._car is not None and self.pose_address is not None:
            self._car.drive(action)

    def advance(self, seconds: float) -> None:
        """Lets time pass."""
        self._seconds += seconds
        if self._car is not None:
            self._car.advance(seconds)

    def pose(self) -> Pose | None:
        """Of the car; None without one."""
        return self._car.pose() if self._car else None

    def pictures(self) -> Iterator[tuple[str, bytes]]:
        """A message of every enabled camera, by its name."""
        if self._car is None:
            return
        self._frames += 1
        for name, turn in TURNS.items():
            if self._sensors[name].enabled:
                if name not in self._cameras:
                    self._cameras[name] = self._sensors[name].camera(self._car.course.track)
                image = self._car.picture(self._cameras[name], turn)
                yield name, encode_image(image, milliseconds=round(1000.0 * self._seconds), frame=self._frames)

    def _on_track(self) -> EmulatedCar:
        if self._car is None:
            raise ValueError("no level is open; call open_level first")
        return self._car

    def _seat(self) -> None:
        """Whoever the driver's parameters say has the wheel."""
        values = self._sensors[DRIVER].values
        client = values[MODE_PARAMETER] and values["InputSource"] == "AI"
        if self._car is not None:
            self._car.autonomous = client
