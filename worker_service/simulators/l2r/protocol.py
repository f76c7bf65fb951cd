"""What travels between the Arrival simulator and its clients: bytes and ports of its four interfaces.

Three of them carry packed little-endian bytes; the fourth is JSON-RPC 2.0 as text over a WebSocket. Learn-to-Race's
observation holds a pose's 30 numbers in their order, which `PoseIndex` names.
"""

import struct
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Pose = NDArray[np.float64]
"""float64 [30], as `PoseIndex` names its entries."""
Image = NDArray[np.uint8]
"""uint8 [height, width, 3], RGB."""

ACTION: Final = struct.Struct("<ffb")
POSE: Final = struct.Struct("<fbb12f3d12f")
IMAGE_HEADER: Final = struct.Struct("<iiiii4xqq")
"""Four bytes of padding align the two 64-bit numbers, as a C compiler lays them out."""
UINT8: Final = 0
"""OpenCV's code of the element type."""
POSE_ENTRIES: Final = 30

CAMERAS: Final = {"CameraFrontRGB": 8008, "CameraLeftRGB": 8009, "CameraRightRGB": 8010}
"""The cameras of one colour picture each, and the ports they publish at."""
DRIVER: Final = "ArrivalVehicleDriver"
"""The sensor, as the simulator calls it, that decides who drives."""
MODE_PARAMETER: Final = "bADModeInput"
"""The driver's parameter that hands the wheel to the client."""
FORMAT: Final = "ColorBGR8"


class ProtocolError(ValueError):
    """Bytes or a message of the other side break the layout."""


class Gear(IntEnum):
    """Of an action and of a pose."""

    NEUTRAL = 0
    DRIVE = 1
    REVERSE = 2
    PARK = 3


class PoseIndex(IntEnum):
    """Where a pose holds what; names with a letter before the underscore are the first of several."""

    STEER = 0
    """Radians, as applied."""
    GEAR = 1
    MODE = 2
    """0 manual, 1 autonomous, 2 safe stop, 3 ready; in an observation the track's number."""
    VELOCITY = 3
    """3 to 5, metres a second."""
    ACCELERATION = 6
    """6 to 8, metres a second squared, with gravity."""
    ANGULAR_VELOCITY = 9
    """9 to 11, radians a second, the yaw's last."""
    YAW = 12
    PITCH = 13
    ROLL = 14
    LONGITUDE = 15
    """Degrees; in an observation North in metres."""
    LATITUDE = 16
    """Degrees; in an observation East in metres."""
    ALTITUDE = 17
    """Metres; in an observation Up."""
    WHEEL_RPM = 18
    BRAKE = 22
    TORQUE = 26


@dataclass(frozen=True, kw_only=True)
class Action:
    """What a client asks of the car."""

    steer_radians: float
    acceleration: float
    """Metres a second squared; negative brakes."""
    gear: int = Gear.DRIVE


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Where the interfaces are; by default the simulator's own."""

    action: int = 7077
    """UDP, of the simulator."""
    pose: int = 7078
    """UDP, of the client."""
    control: int = 16000
    """TCP, a WebSocket."""
    cameras: dict[str, int] = field(default_factory=lambda: dict(CAMERAS))
    """TCP, ZeroMQ, by the camera's name."""

    @classmethod
    def from_base(cls, base: int) -> "Ports":
        """Consecutive ports: action, pose, control, and the cameras in their order."""
        return cls(
            action=base,
            pose=base + 1,
            control=base + 2,
            cameras={name: base + 3 + number for number, name in enumerate(CAMERAS)},
        )

    @classmethod
    def from_json(cls, content: Any) -> "Ports":
        """What `dataclasses.asdict` made of it.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        return cls(
            action=int(content["action"]),
            pose=int(content["pose"]),
            control=int(content["control"]),
            cameras={str(name): int(port) for name, port in content["cameras"].items()},
        )


def encode_action(action: Action) -> bytes:
    """Nine bytes."""
    return ACTION.pack(action.steer_radians, action.acceleration, action.gear)


def decode_action(content: bytes) -> Action:
    """The action in a datagram.

    Raises:
        ProtocolError: the length is wrong, a number is not finite, or there is no such gear.
    """
    if len(content) != ACTION.size:
        raise ProtocolError(f"an action of {len(content)} bytes; it must have {ACTION.size}")
    steer, acceleration, gear = ACTION.unpack(content)
    if not (np.isfinite(steer) and np.isfinite(acceleration)):
        raise ProtocolError(f"an action of steer {steer} and acceleration {acceleration}; both must be finite")
    if gear not in Gear.__members__.values():
        raise ProtocolError(f"an action of gear {gear}; it must be 0 to 3")
    return Action(steer_radians=steer, acceleration=acceleration, gear=gear)


def encode_pose(pose: Pose) -> bytes:
    """126 bytes of float64 [30]."""
    values = pose.tolist()
    values[PoseIndex.GEAR] = int(values[PoseIndex.GEAR])
    values[PoseIndex.MODE] = int(values[PoseIndex.MODE])
    return POSE.pack(*values)


def decode_pose(content: bytes) -> Pose:
    """The pose in a datagram: float64 [30].

    Raises:
        ProtocolError: the length is wrong, or a number is not finite.
    """
    if len(content) != POSE.size:
        raise ProtocolError(f"a pose of {len(content)} bytes; it must have {POSE.size}")
    pose = np.array(POSE.unpack(content), np.float64)
    if not np.isfinite(pose).all():
        raise ProtocolError(f"a pose whose entry {int(np.argmin(np.isfinite(pose)))} is not finite")
    return pose


def encode_image(image: Image, *, milliseconds: int, frame: int) -> bytes:
    """A camera's message of uint8 [H, W, 3], RGB: header, then rows of blue, green, red."""
    height, width, channels = image.shape
    header = IMAGE_HEADER.pack(1, height, width, channels, UINT8, milliseconds, frame)
    return header + image[:, :, ::-1].tobytes()


def decode_image(content: bytes) -> tuple[Image, int]:
    """The picture in a camera's message, and its frame's number.

    Raises:
        ProtocolError: it is no colour picture of bytes, or its length is not what its header says.
    """
    if len(content) < IMAGE_HEADER.size:
        raise ProtocolError(f"a picture of {len(content)} bytes; its header alone has {IMAGE_HEADER.size}")
    depth, height, width, channels, kind, _, frame = IMAGE_HEADER.unpack_from(content)
    if (depth, channels, kind) != (1, 3, UINT8) or height < 1 or width < 1:
        raise ProtocolError(
            f"a picture of depth {depth}, {height} x {width}, {channels} channels of type {kind}; "
            "it must be of depth 1, with 3 channels of type 0"
        )
    size = height * width * channels
    if len(content) != IMAGE_HEADER.size + size:
        raise ProtocolError(f"a picture of {len(content)} bytes; by its header it has {IMAGE_HEADER.size + size}")
    rows = np.frombuffer(content, np.uint8, size, IMAGE_HEADER.size).reshape(height, width, channels)
    return np.ascontiguousarray(rows[:, :, ::-1]), int(frame)
