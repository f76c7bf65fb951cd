"""The emulated car's sensors: what they are set to, and what follows from it."""

from typing import Any, Final

from worker_service.simulators.l2r.protocol import CAMERAS, DRIVER, FORMAT, MODE_PARAMETER
from worker_service.simulators.racetrack.camera import Camera
from worker_service.simulators.racetrack.track import Track

SIDE_RADIANS: Final = 1.0
"""How far the left and right cameras are turned: this emulator's choice."""
TURNS: Final = {"CameraFrontRGB": 0.0, "CameraLeftRGB": SIDE_RADIANS, "CameraRightRGB": -SIDE_RADIANS}

_CAMERA_PARAMETERS: Final = {
    "ColorPublisher : Addr": "tcp://0.0.0.0",
    "Format": FORMAT,
    "bAutoAdvertise": True,
    "FOVAngle": 90,
    "Width": 512,
    "Height": 384,
}
_DRIVER_PARAMETERS: Final = {
    "DriverAPIClass": "VApiKeyboard",
    "DriverAPI_UDP_SendAddress": "127.0.0.1",
    "InputSource": "Manual",
    MODE_PARAMETER: False,
}


class Sensor:
    """One sensor.

    Attributes:
        name: as calls name it.
        enabled: whether it works.
        values: its parameters by name.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.restore()

    def restore(self) -> None:
        """Sets everything back to how the simulator starts."""
        self.enabled = self.name == DRIVER
        self.values: dict[str, Any] = dict(_DRIVER_PARAMETERS if self.name == DRIVER else _CAMERA_PARAMETERS)

    def set(self, name: str, value: Any) -> None:
        """Sets a parameter.

        Raises:
            ValueError: there is none of this name, or the value has another type or breaks its rule.
        """
        if name not in self.values:
            raise ValueError(f"sensor {self.name} has no parameter {name!r}; it has {', '.join(self.values)}")
        kind = type(self.values[name])
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise ValueError(f"parameter {name} of {self.name} is {value!r}; it must be a {kind.__name__}")
        if name == "Format" and value != FORMAT:
            raise ValueError(f"parameter Format of {self.name} is {value!r}; this emulator draws {FORMAT} alone")
        self.values[name] = value

    def describe(self) -> dict[str, Any]:
        """As `get_sensor_params` answers."""
        parameters = [{"name": name, "value": value} for name, value in self.values.items()]
        return {"sensor_name": self.name, "enabled": self.enabled, "parameters": parameters}

    def camera(self, track: Track) -> Camera:
        """The camera that it is set to be.

        Raises:
            ValueError: a size or the field of view breaks its rule.
        """
        return Camera(track, self.values["Width"], self.values["Height"], float(self.values["FOVAngle"]))


def new_sensors() -> dict[str, Sensor]:
    """All sensors, by name, as the simulator starts."""
    return {name: Sensor(name) for name in (DRIVER, *CAMERAS)}
