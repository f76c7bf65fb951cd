"""The emulator's sockets and its clock, on one event loop."""

import asyncio
import contextlib
import logging
import socket
import time
from typing import Any, Final

import zmq
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from worker_service.simulators.l2r.emulator.methods import Methods
from worker_service.simulators.l2r.emulator.simulation import Simulation
from worker_service.simulators.l2r.protocol import (
    Ports,
    ProtocolError,
    decode_action,
    encode_pose,
)

_logger = logging.getLogger(__name__)

TICK_SECONDS: Final = 0.02
"""Simulated time between two poses."""
PICTURE_TICKS: Final = 2
"""Ticks between two pictures."""
STEP_SECONDS: Final = 0.1
"""Simulated time that an action brings in lock-step."""
STEP_TICKS: Final = 5


class Emulator(asyncio.DatagramProtocol):
    """Serves a simulation.

    Time passes by the clock, `speed` times as fast; or, in lock-step, by 0.1 s for every action, whose pictures and
    then pose follow at once. A machine too slow for the speed makes time pass more slowly; none is skipped.

    Args:
        simulation: what is behind the interfaces.
        ports: where; 0 takes a free one. The pose's is the client's.
        host: interface to serve on.
        speed: simulated seconds a second; None for lock-step.
    """

    def __init__(self, simulation: Simulation, ports: Ports, *, host: str, speed: float | None) -> None:
        self._simulation = simulation
        self._methods = Methods(simulation)
        self._wanted = ports
        self._host = host
        self._speed = speed
        self._pose_port = ports.pose
        self._publishers: dict[str, zmq.Socket[bytes]] = {}
        self._poses = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._poses.setblocking(False)
        self._stack = contextlib.AsyncExitStack()
        self._stack.callback(self._poses.close)

    async def start(self) -> Ports:
        """Binds everything; returns where.

        Raises:
            OSError: a port is taken.
        """
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: self, (self._host, self._wanted.action))
        self._stack.callback(transport.close)
        context = zmq.Context()
        self._stack.callback(context.destroy, 0)
        cameras = {}
        for name, port in self._wanted.cameras.items():
            publisher = context.socket(zmq.PUB)
            # A client that lags sees the newest pictures, not all of them.
            publisher.setsockopt(zmq.SNDHWM, 2)
            try:
                publisher.bind(f"tcp://{self._host}:{port or '*'}")
            except zmq.ZMQError as error:
                raise OSError(error.errno, f"TCP port {port} of {name}: {error.strerror}") from error
            self._publishers[name] = publisher
            cameras[name] = int(publisher.getsockopt_string(zmq.LAST_ENDPOINT).rpartition(":")[2])
        server = await self._stack.enter_async_context(
            serve(self._control, self._host, self._wanted.control, ping_interval=None)
        )
        control = int(next(iter(server.sockets)).getsockname()[1])
        return Ports(
            action=int(transport.get_extra_info("sockname")[1]), pose=self._pose_port, control=control, cameras=cameras
        )

    async def run(self) -> None:
        """Lets time pass until cancelled; in lock-step it is the actions that do."""
        if self._speed is None:
            await asyncio.Event().wait()
            return
        due = time.monotonic()
        ticks = 0
        while True:
            due = max(due + TICK_SECONDS / self._speed, time.monotonic())
            await asyncio.sleep(due - time.monotonic())
            self._simulation.advance(TICK_SECONDS)
            ticks += 1
            if ticks % PICTURE_TICKS == 0:
                self._send_pictures()
            self._send_pose()

    async def close(self) -> None:
        """Frees all sockets."""
        await self._stack.aclose()

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """An action."""
        try:
            action = decode_action(data)
        except ProtocolError as error:
            _logger.warning("%s from %s; it is left out", error, addr)
            return
        self._simulation.drive(action)
        if self._speed is None:
            for _ in range(STEP_TICKS):
                self._simulation.advance(STEP_SECONDS / STEP_TICKS)
            self._send_pictures()
            self._send_pose()

    async def _control(self, connection: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for text in connection:
                await connection.send(self._methods.answer(text))

    def _send_pose(self) -> None:
        address, pose = self._simulation.pose_address, self._simulation.pose()
        if address is not None and pose is not None:
            try:
                self._poses.sendto(encode_pose(pose), (address, self._pose_port))
            except OSError as error:
                # UDP promises nothing; a client that is not there yet is as good as one that does not listen.
                _logger.debug("a pose was not sent: %s", error)

    def _send_pictures(self) -> None:
        for name, content in self._simulation.pictures():
            # A full queue drops the picture for that client.
            with contextlib.suppress(zmq.Again):
                self._publishers[name].send(content, zmq.NOBLOCK)
