"""The ancestor's scheme, written anew: each exchange a TCP connection, each transition a pickled list.

The server unpickles what it gets and stores transition after transition in preallocated arrays. What its clients send
is pickled once, and answers carry no policy: both only help this side.
"""

import asyncio
import pickle
import socket
import socketserver
import struct
import threading
from multiprocessing.connection import Connection
from typing import Any, Final

import numpy as np

from tests.benchmarks.load import Load
from tests.benchmarks.pour import SPACES

LENGTH: Final = struct.Struct("<Q")
CAPACITY: Final = {"vector": 200_000, "image": 20_000}
"""Transitions stored."""
TIMEOUT_SECONDS: Final = 20.0


class _Buffer:
    """Replay of the usual kind: a row a transition, observations twice."""

    def __init__(self, observation: str) -> None:
        (box,) = SPACES[observation].observation.values()
        rows = CAPACITY[observation]
        self._rows = rows
        self._observation, self._next = (np.zeros((rows, *box.shape), box.dtype) for _ in range(2))
        self._action, self._reward = np.zeros((rows, 2), np.float32), np.zeros(rows, np.float32)
        self._done = np.zeros(rows, np.bool_)
        self._at = 0
        self.lock = threading.Lock()

    def store(self, observation: Any, action: Any, reward: float, following: Any, done: bool) -> None:
        row = self._at
        self._observation[row], self._next[row] = observation, following
        self._action[row], self._reward[row], self._done[row] = action, reward, done
        self._at = (row + 1) % self._rows


def serve(parent: Connection, counts: Any, observation: str) -> None:
    """Serves until the parent closes its end; sends HOST:PORT first and counts exchanges in `counts[0]`."""
    buffer = _Buffer(observation)

    class Exchange(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            (size,) = LENGTH.unpack(self.rfile.read(LENGTH.size))
            transitions = pickle.loads(self.rfile.read(size))  # noqa: S301  # what is wrong with it is the point
            with buffer.lock:
                for transition in transitions:
                    buffer.store(*transition)
                counts[0] += 1
            self.wfile.write(pickle.dumps({"stored": len(transitions)}))

    class Server(socketserver.ThreadingTCPServer):
        request_queue_size = 128
        daemon_threads = True

    with Server(("127.0.0.1", 0), Exchange) as server:
        threading.Thread(target=server.serve_forever, name="accept", daemon=True).start()
        parent.send(f"127.0.0.1:{server.server_address[1]}")
        parent.poll(None)
        server.shutdown()


def message(observation: str, length: int) -> bytes:
    """`length` transitions, pickled, each a list of its own."""
    (box,) = SPACES[observation].observation.values()
    random = np.random.default_rng(0)
    rows = (255 * random.random((length + 1, *box.shape))).astype(box.dtype)
    actions = random.uniform(-1, 1, (length, 2)).astype(np.float32)
    transitions = [[rows[i].copy(), actions[i].copy(), 1.0, rows[i + 1].copy(), False] for i in range(length)]
    body = pickle.dumps(transitions)
    return LENGTH.pack(len(body)) + body


class ExchangeStream:
    """One client: exchange after exchange."""

    def __init__(self, load: Load) -> None:
        host, _, port = load.address.rpartition(":")
        self._address = host, int(port)
        self._message = message(load.observation, load.chunk_length * load.message_chunks)
        self._stopping = False

    async def open(self) -> None:
        """Nothing is held open."""

    async def run(self) -> None:
        """Exchanges until stopped."""
        await asyncio.to_thread(self._exchange)

    def stop(self) -> None:
        """Lets `run` end."""
        self._stopping = True

    def _exchange(self) -> None:
        while not self._stopping:
            with socket.create_connection(self._address, TIMEOUT_SECONDS) as connection:
                connection.sendall(self._message)
                answer = connection.recv(4096)
                if not answer:
                    raise ConnectionError(f"the server at {self._address} closed an exchange without an answer")
