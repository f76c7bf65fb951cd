"""The SCR protocol's texts (https://arxiv.org/abs/1304.1672): one a datagram, a list of "(name value ...)".

The client identifies itself with the angles of its range finders; from then on each message of the server is what the
car senses, and the client answers each with an action. Between them come notices such as `***restart***`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

RANGE_FINDERS: Final = 19
RANGE_METRES: Final = 200.0
"""What a range finder reads at most; -1 off the road."""
MAX_DATAGRAM_BYTES: Final = 65_536


class MessageError(ValueError):
    """A message is not what the protocol says."""


class Notice(Enum):
    """What a server says beside sensors."""

    IDENTIFIED = "***identified***"
    RESTART = "***restart***"
    SHUTDOWN = "***shutdown***"


class Sensors:
    """One message of sensors, whose numbers are read when they are asked for.

    Args:
        items: the text of the values by name.
    """

    def __init__(self, items: Mapping[str, str]) -> None:
        self._items = items

    def number(self, name: str) -> float:
        """The value of a sensor that has one.

        Raises:
            MessageError: it is missing, has not one value, or that is no finite number.
        """
        text = self._items.get(name)
        try:
            value = float(text)  # type: ignore[arg-type]  # None is a TypeError, told below
        except (TypeError, ValueError):
            value = math.nan
        if not math.isfinite(value):
            raise MessageError(f"the server's sensor {name!r} is {text!r:.100}; it must be one finite number")
        return value

    def numbers(self, name: str, count: int) -> tuple[float, ...]:
        """The values of a sensor that has several.

        Raises:
            MessageError: it is missing, has another number of values, or one is no finite number.
        """
        text = self._items.get(name)
        try:
            values = tuple(map(float, (text or "").split()))
        except ValueError:
            values = ()
        # A sum is finite only if all of them are, unless they are absurd.
        if len(values) != count or not math.isfinite(sum(values)):
            raise MessageError(f"the server's sensor {name!r} is {text!r:.100}; it must be {count} finite numbers")
        return values


@dataclass(frozen=True, kw_only=True)
class Action:
    """What a client asks for, until the next time."""

    steer: float = 0.0
    """In [-1, 1], as a share of the steer lock; 1 is left."""
    accelerate: float = 0.0
    """In [0, 1]."""
    brake: float = 0.0
    """In [0, 1]."""
    gear: int = 1
    """-1 is reverse, 0 neutral."""
    clutch: float = 0.0
    """In [0, 1]; 1 parts the engine from the wheels."""
    restart: bool = False
    """Asks the server to begin the race anew."""


def encode_identification(angles_degrees: Sequence[float]) -> bytes:
    """The client's first message.

    Args:
        angles_degrees: of the range finders, 19 in [-90, 90], clockwise from straight ahead.

    Raises:
        ValueError: they are not.
    """
    if len(angles_degrees) != RANGE_FINDERS or not all(-90 <= angle <= 90 for angle in angles_degrees):
        raise ValueError(f"range finder angles are {angles_degrees}; they must be {RANGE_FINDERS} in [-90, 90]")
    return f"SCR(init {' '.join(f'{angle:g}' for angle in angles_degrees)})".encode()


def encode_action(action: Action) -> bytes:
    """An action as the server reads it."""
    return (
        f"(accel {action.accelerate:.6f})(brake {action.brake:.6f})(gear {action.gear})(steer {action.steer:.6f})"
        f"(clutch {action.clutch:.6f})(focus 0)(meta {int(action.restart)})"
    ).encode()


def decode_message(datagram: bytes) -> Sensors | Notice:
    """What the server says.

    Raises:
        MessageError: it is neither sensors nor a notice.
    """
    text = datagram.rstrip(b"\0 \r\n").decode("ascii", "replace")
    if text.startswith("***"):
        try:
            return Notice(text)
        except ValueError:
            raise MessageError(f"the server said {text!r:.100}; it must be sensors or a notice") from None
    if not (text.startswith("(") and text.endswith(")")):
        raise MessageError(f"the server said {text!r:.100}; it must be a list of (name value ...)")
    items: dict[str, str] = {}
    for item in text[1:-1].split(")("):
        name, _, values = item.partition(" ")
        items[name] = values
    return Sensors(items)
