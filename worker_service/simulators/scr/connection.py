"""The client's end of the SCR protocol: identification, sensors in, actions out, every wait with a deadline."""

import socket
import time
from collections.abc import Sequence
from typing import Final

from worker_service.simulators.scr.protocol import (
    MAX_DATAGRAM_BYTES,
    Action,
    Notice,
    Sensors,
    decode_message,
    encode_action,
    encode_identification,
)

IDENTIFY_AGAIN_SECONDS: Final = 0.5
"""A server that is still loading its track hears nobody: the client asks until it is heard."""


class NoAnswerError(TimeoutError):
    """The server did not answer in time."""


class RaceEndedError(RuntimeError):
    """The server ended the race, or began it anew, while the client was driving."""


class ScrConnection:
    """A client's socket, for one race after another.

    Args:
        host: the server's.
        port: the server's.
        answer_seconds: deadline of each answer.

    Raises:
        OSError: the host is unknown.
    """

    def __init__(self, host: str, port: int, *, answer_seconds: float) -> None:
        self._where = f"{host}:{port}"
        self._answer_seconds = answer_seconds
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            # Hears nobody else, and learns that nobody listens there.
            self._socket.connect((host, port))
        except OSError:
            self._socket.close()
            raise

    def identify(self, angles_degrees: Sequence[float], seconds: float) -> Sensors:
        """Enters a race; returns what the car senses at its start.

        Args:
            angles_degrees: of the range finders, 19 in [-90, 90].
            seconds: deadline.

        Raises:
            NoAnswerError: no server answered.
            MessageError: it answered what the protocol does not know.
            RaceEndedError: it is shutting down.
        """
        message = encode_identification(angles_degrees)
        deadline = time.monotonic() + seconds
        identified = False
        while not identified:
            asked = time.monotonic()
            try:
                self._socket.send(message)
                while not identified:
                    left = min(asked + IDENTIFY_AGAIN_SECONDS, deadline) - time.monotonic()
                    # Whatever else comes is the end of the race before.
                    identified = decode_message(self._receive(left)) is Notice.IDENTIFIED
            except (TimeoutError, ConnectionRefusedError) as error:
                if time.monotonic() >= deadline:
                    raise NoAnswerError(
                        f"no SCR server answered at {self._where} within {seconds:g} s: start one there, or leave host "
                        "and port out to have one started"
                    ) from error
                # Nobody listens there yet, which is known at once.
                time.sleep(max(0.0, min(asked + IDENTIFY_AGAIN_SECONDS, deadline) - time.monotonic()))
        return self.sensors()

    def sensors(self) -> Sensors:
        """What the car senses now.

        Raises:
            NoAnswerError: the server did not answer within the deadline.
            MessageError: it answered what the protocol does not know.
            RaceEndedError: it ended the race.
        """
        try:
            message = decode_message(self._receive(self._answer_seconds))
        except (TimeoutError, ConnectionRefusedError) as error:
            raise NoAnswerError(
                f"the SCR server at {self._where} has not answered within {self._answer_seconds:g} s"
            ) from error
        if isinstance(message, Notice):
            raise RaceEndedError(f"the SCR server at {self._where} said {message.value} while the car was driven")
        return message

    def act(self, action: Action) -> None:
        """Answers the newest sensors.

        Raises:
            NoAnswerError: nobody listens there any more.
        """
        try:
            self._socket.send(encode_action(action))
        except ConnectionRefusedError as error:
            raise NoAnswerError(f"the SCR server at {self._where} has gone") from error

    def restart(self) -> None:
        """Asks for a new race and waits until the server has ended this one.

        Raises:
            NoAnswerError: it did not, within the deadline.
            MessageError: it answered what the protocol does not know.
        """
        deadline = time.monotonic() + self._answer_seconds
        self.act(Action(restart=True))
        while True:
            try:
                message = decode_message(self._receive(deadline - time.monotonic()))
            except (TimeoutError, ConnectionRefusedError) as error:
                raise NoAnswerError(
                    f"the SCR server at {self._where} has not begun a new race within {self._answer_seconds:g} s"
                ) from error
            if isinstance(message, Notice):
                return
            # It was sent before the server heard of the restart.
            self.act(Action(restart=True))

    def close(self) -> None:
        """Closes the socket."""
        self._socket.close()

    def _receive(self, seconds: float) -> bytes:
        if seconds <= 0:
            raise TimeoutError
        self._socket.settimeout(seconds)
        return self._socket.recv(MAX_DATAGRAM_BYTES)
