"""A client that pours valid chunks into a learner over many streams, each over a connection of its own.

    python -m tests.benchmarks.pour --learner HOST:PORT --streams 4 --seconds 30

Polite streams send as far as credit reaches. Rude ones send on whatever credit says, never read an answer, and open the
next stream when one is refused. Chunks are serialised once, so that pouring takes little of the machine. Prints one
JSON line at the end.
"""

import asyncio
import json
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import grpc
import numpy as np
import tyro

from distrib_l2r.limits import CHANNEL_OPTIONS, PROTOCOL_VERSION
from distrib_l2r.spaces import Box, Spaces, encode_spaces
from distrib_l2r.trajectory import Ending, Purpose, TrajectoryChunk, encode_chunk
from distrib_l2r.v1 import learner_service_pb2 as pb
from distrib_l2r.v1 import learner_service_pb2_grpc as pb_grpc
from distrib_l2r.v1 import trajectory_pb2

CHUNK_LENGTH: Final = 64
EPISODE_CHUNKS: Final = 16
JOIN_DEADLINE_SECONDS: Final = 120.0
GRACE_SECONDS: Final = 60.0
"""For the last answers, after the time to pour is over."""

_ACTION: Final = Box(low=np.full(2, -1, "f4"), high=np.full(2, 1, "f4"))
SPACES: Final = {
    "vector": Spaces(
        observation={"observation": Box(low=np.full(45, -np.inf, "f4"), high=np.full(45, np.inf, "f4"))}, action=_ACTION
    ),
    "image": Spaces(
        observation={"camera": Box(low=np.zeros((64, 64, 3), "u1"), high=np.full((64, 64, 3), 255, "u1"))},
        action=_ACTION,
    ),
}
"""By their observation: 45 floats, or an image of 64 x 64 x 3 bytes."""


@dataclass(frozen=True, kw_only=True)
class Flags:
    """What to pour."""

    learner: str
    observation: Literal["vector", "image"] = "vector"
    streams: int = 4
    seconds: float = 30.0
    """How long."""
    transitions: int | None = None
    """Each stream ends early after so many."""
    rude: bool = False
    """Ignore credit."""


@dataclass
class Tally:
    """What came of it, over all streams."""

    chunks: int = 0
    """Acknowledged; rude streams hear of none."""
    lowest_credit: int | None = None
    endings: Counter[str] = field(default_factory=Counter)
    """Streams by the name of their status."""


class Chunks:
    """The messages of one stream, serialised.

    Args:
        observation: a key of `SPACES`.
        length: steps in each.
    """

    def __init__(self, observation: str, length: int = CHUNK_LENGTH) -> None:
        spaces, random = SPACES[observation], np.random.default_rng(0)
        self._length = length
        columns = {
            name: (255 * random.random((length + 1, *box.shape))).astype(box.dtype)
            for name, box in spaces.observation.items()
        }
        message = encode_chunk(
            TrajectoryChunk(
                episode_id=1,
                first_step=0,
                policy_version=1,
                purpose=Purpose.TRAINING,
                observation=columns,
                action=random.uniform(-1, 1, (length, 2)).astype("f4"),
                reward=random.random(length).astype("f4"),
                ending=Ending.CONTINUES,
            )
        )
        self._body = message.SerializeToString()

    def request(self, sequence: int, count: int = 1) -> bytes:
        """The message with `count` chunks from this sequence on; every so often one ends its episode."""
        if count == 1:
            return _field(pb.PushTrajectoriesRequest.CHUNK_FIELD_NUMBER, self._chunk(sequence))
        number = pb.TrajectoryChunks.CHUNKS_FIELD_NUMBER
        chunks = (_field(number, self._chunk(each)) for each in range(sequence, sequence + count))
        return _field(pb.PushTrajectoriesRequest.CHUNKS_FIELD_NUMBER, b"".join(chunks))

    def _chunk(self, sequence: int) -> bytes:
        episode, part = divmod(sequence - 1, EPISODE_CHUNKS)
        head = trajectory_pb2.TrajectoryChunk(sequence=sequence, episode_id=episode + 1, first_step=part * self._length)
        if part == EPISODE_CHUNKS - 1:
            head.ending = trajectory_pb2.ENDING_TERMINATED
            head.summary.length = EPISODE_CHUNKS * self._length
        # Messages one after the other are one message: the fields of both, the later ones counting.
        return self._body + head.SerializeToString()


def _field(number: int, message: bytes) -> bytes:
    """A message as a field of another, on the wire."""
    tag, size, varint = number << 3 | 2, len(message), bytearray()
    while size > 0x7F:
        varint.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes((tag, *varint, size)) + message


class Stream:
    """One session's streams, one at a time."""

    def __init__(self, flags: Flags, chunks: Chunks, tally: Tally, ends_at: float) -> None:
        self._flags = flags
        self._chunks = chunks
        self._tally = tally
        self._ends_at = ends_at
        self._session_id = uuid.uuid4().hex
        self._committed = self._send_until = 0
        self._heard = asyncio.Event()

    async def pour(self) -> None:
        """Joins and pours until the time is over."""
        # Without its own pool of connections a channel shares those of others to the same address.
        options = (*CHANNEL_OPTIONS, ("grpc.use_local_subchannel_pool", 1))
        async with grpc.aio.insecure_channel(self._flags.learner, options=options) as channel:
            stub: Any = pb_grpc.LearnerServiceStub(channel)
            request = pb.JoinRunRequest(
                protocol_version=PROTOCOL_VERSION,
                worker_name="pour",
                session_id=self._session_id,
                spaces=encode_spaces(SPACES[self._flags.observation]),
            )
            answer = await stub.JoinRun(request, timeout=JOIN_DEADLINE_SECONDS)
            header = pb.StreamHeader(session_id=self._session_id, graph_fingerprint=answer.graph.fingerprint)
            push: Any = channel.stream_stream(
                "/distrib_l2r.v1.LearnerService/PushTrajectories",
                request_serializer=bytes,
                response_deserializer=pb.PushTrajectoriesResponse.FromString,
            )
            again = True
            while again and time.monotonic() < self._ends_at:
                call = push(timeout=self._ends_at - time.monotonic() + GRACE_SECONDS)
                await call.write(pb.PushTrajectoriesRequest(header=header).SerializeToString())
                self._take(await call.read())
                await (self._flood(call) if self._flags.rude else self._send(call))
                self._tally.endings[(await call.code()).name] += 1
                again = self._flags.rude
        if not self._flags.rude:
            self._tally.chunks += self._committed

    async def _send(self, call: Any) -> None:
        """As far as credit reaches."""
        reader = asyncio.create_task(self._read(call))
        target = None if self._flags.transitions is None else -(-self._flags.transitions // CHUNK_LENGTH)
        sent = self._committed
        while not reader.done() and time.monotonic() < self._ends_at and (target is None or sent < target):
            if sent < self._send_until:
                sent += 1
                await call.write(self._chunks.request(sent))
                continue
            self._heard.clear()
            try:
                async with asyncio.timeout(max(self._ends_at - time.monotonic(), 0.0)):
                    await self._heard.wait()
            except TimeoutError:
                break
        if not reader.done():
            await call.done_writing()
        await reader

    async def _read(self, call: Any) -> None:
        try:
            while (answer := await call.read()) is not grpc.aio.EOF:
                self._take(answer)
        # Its status is counted by whoever opened the call.
        except grpc.aio.AioRpcError:
            pass
        finally:
            self._heard.set()

    async def _flood(self, call: Any) -> None:
        """On and on, until refused."""
        sent = self._committed
        try:
            while time.monotonic() < self._ends_at:
                sent += 1
                await call.write(self._chunks.request(sent))
            call.cancel()
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            return

    def _take(self, answer: pb.PushTrajectoriesResponse) -> None:
        self._committed = answer.committed_sequence
        self._send_until = answer.committed_sequence + answer.credit
        lowest = self._tally.lowest_credit
        self._tally.lowest_credit = answer.credit if lowest is None else min(lowest, answer.credit)
        self._heard.set()


async def pour(flags: Flags) -> dict[str, Any]:
    """Pours; the row of what came of it."""
    tally, chunks, started = Tally(), Chunks(flags.observation), time.monotonic()
    streams = [Stream(flags, chunks, tally, started + flags.seconds) for _ in range(flags.streams)]
    async with asyncio.TaskGroup() as group:
        for stream in streams:
            group.create_task(stream.pour())
    return {
        "seconds": round(time.monotonic() - started, 2),
        "chunks": tally.chunks,
        "lowest_credit": tally.lowest_credit,
        "endings": dict(tally.endings),
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(pour(tyro.cli(Flags, description=__doc__)))))
