"""What nobody without the Arrival simulator could verify, in one place."""

from dataclasses import dataclass, fields, replace
from typing import Final, Literal, get_args

import numpy as np

Turn = Literal["clockwise", "anticlockwise"]


@dataclass(frozen=True, kw_only=True)
class Conventions:
    """Signs and frames that the public sources leave open. The environment and the emulator must have the same.

    A text of NAME=VALUE, separated by commas, replaces single ones: "pose_yaw=anticlockwise,steer=right".
    """

    pose_yaw: Turn = "clockwise"
    """How the yaw of a pose, and its rate, counts from North, seen from above. Start positions count clockwise, which
    is verified; the published client's own check of the track's bounds takes a pose's for anticlockwise."""
    steer: Literal["left", "right"] = "left"
    """Where a positive steer turns."""
    velocity: Literal["car", "world"] = "car"
    """Whose axes the velocity of a pose has: forward, left, up of the car, or East, North, Up."""
    start_yaw: Literal["radians", "degrees"] = "radians"
    """Unit of the rotation in `set_vehicle_position`. Stored start poses have radians, docstrings say degrees."""

    @classmethod
    def parse(cls, text: str) -> "Conventions":
        """`UNVERIFIED` with what the text replaces.

        Raises:
            ValueError: a name or a value is unknown.
        """
        choices = {field.name: get_args(field.type) for field in fields(cls)}
        changes = {}
        for entry in filter(None, text.split(",")):
            name, _, value = entry.strip().partition("=")
            if value not in choices.get(name, ()):
                known = ", ".join(f"{name}={'|'.join(values)}" for name, values in choices.items())
                raise ValueError(f"convention {entry!r} is unknown; it must be one of {known}")
            changes[name] = value
        return replace(UNVERIFIED, **changes)  # type: ignore[arg-type]  # checked against the choices above

    def encode_yaw(self, yaw_radians: float) -> float:
        """The pose's yaw of one that counts anticlockwise from East, in [-pi, pi)."""
        from_north = yaw_radians - 0.5 * np.pi
        return wrap(-from_north if self.pose_yaw == "clockwise" else from_north)

    def decode_yaw(self, pose_yaw: float) -> float:
        """The yaw, anticlockwise from East, of a pose's."""
        return wrap(0.5 * np.pi + (-pose_yaw if self.pose_yaw == "clockwise" else pose_yaw))

    @property
    def yaw_rate_sign(self) -> float:
        """1 where a pose's yaw rate counts anticlockwise."""
        return -1.0 if self.pose_yaw == "clockwise" else 1.0

    @property
    def steer_sign(self) -> float:
        """1 where a positive steer turns left."""
        return 1.0 if self.steer == "left" else -1.0

    def encode_start_yaw(self, yaw_radians: float) -> float:
        """The rotation in `set_vehicle_position` of a yaw that counts anticlockwise from East."""
        clockwise = wrap(0.5 * np.pi - yaw_radians)
        return float(np.degrees(clockwise)) if self.start_yaw == "degrees" else clockwise

    def decode_start_yaw(self, rotation: float) -> float:
        """The yaw, anticlockwise from East, of a rotation in `set_vehicle_position`."""
        return wrap(0.5 * np.pi - (float(np.radians(rotation)) if self.start_yaw == "degrees" else rotation))


UNVERIFIED: Final = Conventions()
"""What is assumed unless told otherwise."""


def wrap(radians: float) -> float:
    """The same angle in [-pi, pi)."""
    return float((radians + np.pi) % (2.0 * np.pi) - np.pi)
