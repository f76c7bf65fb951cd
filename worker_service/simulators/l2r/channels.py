"""The client's ends of the three interfaces that carry bytes: actions out, poses and pictures in."""

import socket
import time

import zmq

from worker_service.simulators.l2r.errors import SimulatorUnreachableError
from worker_service.simulators.l2r.protocol import (
    POSE,
    Action,
    Image,
    Pose,
    ProtocolError,
    decode_image,
    decode_pose,
    encode_action,
)


class ActionSender:
    """Sends actions by UDP.

    Args:
        host, port: of the simulator.
    """

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._address = (host, port)

    def send(self, action: Action) -> None:
        """Sends an action; whether it arrives shows in the poses alone."""
        self._socket.sendto(encode_action(action), self._address)

    def close(self) -> None:
        """Frees the socket."""
        self._socket.close()


class PoseReceiver:
    """Takes in the simulator's poses by UDP, on the thread that asks for them.

    Args:
        port: to bind; 0 takes a free one.
        host: of the interface that the simulator reaches.

    Raises:
        OSError: the port is taken.
    """

    def __init__(self, port: int, host: str = "0.0.0.0") -> None:  # noqa: S104  # where the simulator may send from
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.bind((host, port))
        except OSError as error:
            self._socket.close()
            raise OSError(error.errno, f"UDP port {port} for poses cannot be bound: {error.strerror}") from error

    @property
    def port(self) -> int:
        """That the simulator must send to."""
        return int(self._socket.getsockname()[1])

    def drain(self) -> Pose | None:
        """The newest pose that has arrived since the last was taken; None if none has.

        Raises:
            ProtocolError: it is none.
        """
        newest = None
        self._socket.setblocking(False)
        try:
            while True:
                newest = self._socket.recv(POSE.size + 1)
        except BlockingIOError:
            return None if newest is None else decode_pose(newest)

    def wait(self, timeout_seconds: float) -> Pose:
        """The next pose.

        Raises:
            SimulatorUnreachableError: none arrived in time.
            ProtocolError: it is none.
        """
        self._socket.settimeout(timeout_seconds)
        try:
            return decode_pose(self._socket.recv(POSE.size + 1))
        except TimeoutError:
            raise SimulatorUnreachableError(
                f"no pose arrived at UDP port {self.port} within {timeout_seconds:g} s; does the simulator run, and "
                "does its driver send to this machine?"
            ) from None

    def close(self) -> None:
        """Frees the socket."""
        self._socket.close()


class CameraReceiver:
    """Keeps the newest picture of one camera.

    Args:
        name: of the camera.
        host, port: where the simulator publishes.
        shape: height, width, 3 of its pictures.
    """

    def __init__(self, name: str, host: str, port: int, shape: tuple[int, int, int]) -> None:
        self.name = name
        self._shape = shape
        self._frame = -1
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.SUB)
        self._socket.setsockopt(zmq.SUBSCRIBE, b"")
        self._socket.setsockopt(zmq.CONFLATE, 1)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.connect(f"tcp://{host}:{port}")
        self._newest: Image | None = None

    def next(self, timeout_seconds: float) -> Image:
        """A picture newer than the last one returned, uint8 [H, W, 3].

        Raises:
            SimulatorUnreachableError: none arrived in time.
            ProtocolError: it is none, or of another size.
        """
        deadline = time.monotonic() + timeout_seconds
        while self._socket.poll(max(0, round(1000 * (deadline - time.monotonic())))):
            self._take()
            if self._newest is not None:
                image, self._newest = self._newest, None
                return image
        raise SimulatorUnreachableError(
            f"no picture of {self.name} arrived within {timeout_seconds:g} s; is the sensor enabled and its port right?"
        )

    def newest(self, timeout_seconds: float) -> Image:
        """The newest picture so far, waiting only for the very first.

        Raises:
            SimulatorUnreachableError, ProtocolError: see `next`.
        """
        if self._socket.poll(0):
            self._take()
        if self._newest is None:
            self._newest = self.next(timeout_seconds)
        return self._newest

    def drop(self) -> None:
        """Forgets what has arrived."""
        if self._socket.poll(0):
            self._take()
        self._newest = None

    def close(self) -> None:
        """Frees the socket."""
        self._socket.close()
        self._context.term()

    def _take(self) -> None:
        image, frame = decode_image(self._socket.recv())
        if image.shape != self._shape:
            raise ProtocolError(f"{self.name} sends pictures of {image.shape}; it was set to {self._shape}")
        if frame != self._frame:
            self._newest, self._frame = image, frame
