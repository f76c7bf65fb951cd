"""The most that TCP allows: a thread a connection that receives into one buffer, and a thread that sends."""

import asyncio
import contextlib
import itertools
import socket
import threading
from multiprocessing.connection import Connection
from typing import Any, Final

from tests.benchmarks.load import Load
from tests.benchmarks.pour import Chunks

BUFFER_BYTES: Final = 1 << 20


def serve(parent: Connection, counts: Any) -> None:
    """Serves until the parent closes its end; sends HOST:PORT first and counts each connection's bytes in `counts`."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    threading.Thread(target=_accept, args=(listener, counts), name="accept", daemon=True).start()
    parent.send(f"127.0.0.1:{listener.getsockname()[1]}")
    parent.poll(None)


def _accept(listener: socket.socket, counts: Any) -> None:
    for number in itertools.count():
        connection, _ = listener.accept()
        slot = number % len(counts)
        threading.Thread(target=_receive, args=(connection, counts, slot), name="receive", daemon=True).start()


def _receive(connection: socket.socket, counts: Any, slot: int) -> None:
    buffer = bytearray(BUFFER_BYTES)
    with connection, contextlib.suppress(ConnectionResetError):
        while received := connection.recv_into(buffer):
            counts[slot] += received


class RawStream:
    """Sends as fast as the socket takes it."""

    def __init__(self, load: Load, chunks: Chunks) -> None:
        host, _, port = load.address.rpartition(":")
        self._address = host, int(port)
        self._chunks = chunks
        self._count = load.message_chunks
        self._stopping = False

    async def open(self) -> None:
        """Connects."""
        self._socket = await asyncio.to_thread(socket.create_connection, self._address, 10.0)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    async def run(self) -> None:
        """Sends until stopped."""
        await asyncio.to_thread(self._send)

    def stop(self) -> None:
        """Lets `run` end."""
        self._stopping = True

    def _send(self) -> None:
        sent = 0
        with self._socket:
            while not self._stopping:
                self._socket.sendall(self._chunks.request(sent + 1, self._count))
                sent += self._count
