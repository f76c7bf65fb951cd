"""An SCR server without a simulator: a point that rolls around a ring, over a real UDP socket, and misbehaves."""

import math
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

LAP_METRES = 300.0
TICK_SECONDS = 0.02
WAIT_SECONDS = 20.0
"""A client that is silent for longer has gone."""


def encode_sensors(sensors: dict[str, tuple[float, ...]]) -> bytes:
    """Sensors as a server sends them, with the zero byte that C's texts end with."""
    return "".join(f"({name} {' '.join(map(repr, values))})" for name, values in sensors.items()).encode() + b"\0"


def item(message: bytes, name: str) -> float:
    """A number of a client's message."""
    _, found, rest = message.partition(f"({name} ".encode())
    assert found, message
    return float(rest.partition(b")")[0])


@dataclass
class Rolling:
    """A car on a ring: the throttle sets its speed, the steer its way across the road, and nothing else happens."""

    seconds: float = 0.0
    line_seconds: float = 0.0
    last_lap_seconds: float = 0.0
    metres: float = -25.0
    speed: float = 0.0
    position: float = 0.0
    gear: int = 0
    damage: float = 0.0

    def advance(self, message: bytes) -> None:
        self.gear = int(item(message, "gear"))
        self.speed = max(0.0, self.speed + TICK_SECONDS * (12 * item(message, "accel") - 20 * item(message, "brake")))
        self.position += TICK_SECONDS * item(message, "steer")
        self.seconds += TICK_SECONDS
        laps = math.floor(self.metres / LAP_METRES)
        self.metres += TICK_SECONDS * self.speed
        if math.floor(self.metres / LAP_METRES) > laps >= 0:
            past = (self.metres % LAP_METRES) / self.speed
            self.last_lap_seconds = self.seconds - past - self.line_seconds
            self.line_seconds = self.seconds - past

    def sensors(self) -> dict[str, tuple[float, ...]]:
        return {
            "angle": (0.0,),
            "curLapTime": (self.seconds - self.line_seconds,),
            "damage": (self.damage,),
            "distFromStart": (self.metres % LAP_METRES,),
            "distRaced": (self.metres + 25.0,),
            "gear": (float(self.gear),),
            "lastLapTime": (self.last_lap_seconds,),
            "rpm": (1000.0 + 100.0 * self.speed,),
            "speedX": (3.6 * self.speed,),
            "speedY": (0.0,),
            "track": tuple(5.0 + i for i in range(19)),
            "trackPos": (self.position,),
            "wheelSpinVel": (self.speed / 0.3325,) * 4,
        }


@dataclass
class FakeServer:
    """Serves race after race to one client.

    Attributes:
        replies: messages sent in place of the sensors of these ticks, by tick of the race; None sends nothing.
        deaf: how many identifications go unheard.
        identifications: as they came.
        gears: asked for, as they came.
    """

    replies: dict[int, bytes | None] = field(default_factory=dict)
    deaf: int = 0
    identifications: list[bytes] = field(default_factory=list)
    gears: list[int] = field(default_factory=list)
    races: int = 0

    def __post_init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(WAIT_SECONDS)
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, name="fake SCR server")

    def _receive(self) -> tuple[bytes, tuple[str, int]]:
        message, client = self._socket.recvfrom(4096)
        return message, client

    def _serve(self) -> None:
        while True:
            message, client = self._receive()
            if message == b"end":
                return
            if not message.startswith(b"SCR(init "):
                continue
            self.identifications.append(message)
            if len(self.identifications) <= self.deaf:
                continue
            self.races += 1
            self._socket.sendto(b"***identified***\0", client)
            if self._race(client):
                return

    def _race(self, client: tuple[str, int]) -> bool:
        """One race, to its restart; whether the server is to end."""
        car = Rolling()
        tick = 0
        while True:
            reply = self.replies.get(tick, encode_sensors(car.sensors()))
            if reply is not None:
                self._socket.sendto(reply, client)
            message, _ = self._receive()
            if message == b"end":
                return True
            if message.startswith(b"SCR"):
                # The client gave the race up.
                self.identifications.append(message)
                self._socket.sendto(b"***identified***\0", client)
                car, tick = Rolling(), 0
                self.races += 1
                continue
            if item(message, "meta"):
                self._socket.sendto(b"***restart***\0", client)
                return False
            self.gears.append(int(item(message, "gear")))
            car.advance(message)
            tick += 1

    def __enter__(self) -> "FakeServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stopper:
            stopper.sendto(b"end", ("127.0.0.1", self.port))
        self._thread.join(WAIT_SECONDS)
        assert not self._thread.is_alive()
        self._socket.close()


@contextmanager
def closed_port() -> Iterator[int]:
    """A port at which nobody listens; nobody else gets it meanwhile, as a socket that does not receive holds it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", 0))
        # Connected to itself, it hears nobody else, and the kernel says so to whoever tries.
        holder.connect(holder.getsockname())
        yield holder.getsockname()[1]
