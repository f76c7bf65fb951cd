"""One PushTrajectories call: sends what the outbox holds, as far as the learner's credit reaches."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final

import grpc

from distrib_l2r.v1 import learner_service_pb2 as pb
from distrib_l2r.v1 import trajectory_pb2
from worker_service.outbox import Outbox

OPEN_DEADLINE_SECONDS: Final = 10.0
"""Until a new stream's first answer."""
DRAIN_DEADLINE_SECONDS: Final = 2.0
"""From the learner's wish to drain until the last answer has come and the stream has ended."""

MESSAGE_BYTES: Final = 2**20
"""Of chunks that wait, so many go together: larger messages gain nothing."""
GATHER_SECONDS: Final = 0.05
"""From one message to the next, unless so many chunks wait that they fill one: each message, whatever is in it, takes
the interpreter's lock from the thread that drives."""


class SessionLostError(Exception):
    """What the learner holds of this session cannot be what this worker put: the session must begin anew."""


class PushStream:
    """Lives on the client's event loop.

    The first chunk after a pause goes at once; those of a simulator that gives many gather and go together.

    Args:
        call: a PushTrajectories call just begun.
        outbox: what to send; acknowledged chunks leave it.
        on_answer: called with each answer, after the outbox let go of what it acknowledges.
        most_chunks: in one message.
        gather_seconds: see `GATHER_SECONDS`.
    """

    def __init__(
        self,
        call: Any,
        outbox: Outbox,
        on_answer: Callable[[pb.PushTrajectoriesResponse], None],
        *,
        most_chunks: int = 1,
        gather_seconds: float = GATHER_SECONDS,
    ) -> None:
        self._call = call
        self._outbox = outbox
        self._on_answer = on_answer
        self._most_chunks = most_chunks
        self._gather_seconds = gather_seconds
        # With more the rollout could fill the outbox before the learner has answered.
        self._most_gathered = max(min(most_chunks, outbox.capacity // 2), 1)
        self._enough = self._most_gathered
        self._gathering = False
        self._send_due = asyncio.Event()
        self._next_sequence = 0
        self._send_until = 0
        self._ended = False
        self._leaving = self._leaving_due = False
        self.drained = False
        """Whether the learner asked to send no more."""

    async def open(self, header: pb.StreamHeader) -> None:
        """Opens the stream and finds out where to go on.

        Raises:
            SessionLostError: the session must begin anew.
            TimeoutError: no answer came.
            grpc.aio.AioRpcError: the learner refused, or the connection broke.
        """
        await self._call.write(pb.PushTrajectoriesRequest(header=header))
        first = await asyncio.wait_for(self._call.read(), OPEN_DEADLINE_SECONDS)
        if first is grpc.aio.EOF:
            raise TimeoutError
        if first.committed_sequence < self._outbox.acknowledged_sequence:
            raise SessionLostError(
                f"it holds chunks up to {first.committed_sequence} of this session and had acknowledged "
                f"{self._outbox.acknowledged_sequence}"
            )
        self._take(first)

    async def run(self) -> None:
        """Sends and reads until the learner ends the stream, as it does soon after it asked to drain.

        Raises:
            SessionLostError: the learner acknowledged what was never sent.
            grpc.aio.AioRpcError: the learner refused, or the connection broke.
        """
        sender = asyncio.create_task(self._send(), name="send")
        reader = asyncio.create_task(self._read(), name="read")
        try:
            await asyncio.wait((sender, reader), return_when=asyncio.FIRST_EXCEPTION)
            # On a broken stream both fail, and the reader's error is the one that tells why.
            if not reader.done() and not isinstance(
                sender.exception(), grpc.aio.AioRpcError | asyncio.InvalidStateError
            ):
                await sender
            await reader
        finally:
            sender.cancel()
            reader.cancel()
            await asyncio.gather(sender, reader, return_exceptions=True)

    @property
    def due(self) -> bool:
        """Whether what waits should go now rather than gather; whoever puts a chunk asks, on any thread, and wakes."""
        fills = min(self._next_sequence + self._enough - 1, self._send_until)
        return not self._gathering or self._leaving or self._outbox.newest_sequence >= fills

    def wake(self) -> None:
        """Something was put into the outbox."""
        self._send_due.set()

    def leave(self) -> None:
        """Tells the learner that no more will be put, so that it grants credit for what is left."""
        self._leaving = self._leaving_due = True
        self._send_due.set()

    def close(self) -> None:
        """Ends the call, whatever its state."""
        self._call.cancel()

    async def _read(self) -> None:
        try:
            while not self.drained:
                answer = await self._call.read()
                if answer is grpc.aio.EOF:
                    return
                self._take(answer)
            # What was sent is the learner's to acknowledge once more; what it does not is the successor's.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_DEADLINE_SECONDS):
                    while (answer := await self._call.read()) is not grpc.aio.EOF:
                        self._take(answer)
        finally:
            self._ended = True
            self._send_due.set()

    def _take(self, answer: pb.PushTrajectoriesResponse) -> None:
        try:
            self._outbox.acknowledge(answer.committed_sequence)
        except ValueError as error:
            raise SessionLostError(f"it acknowledged more than this worker has put: {error}") from error
        # What an older stream of the session still brought in need not be sent again.
        self._next_sequence = max(self._next_sequence, answer.committed_sequence + 1)
        self._send_until = answer.committed_sequence + answer.credit
        self.drained = self.drained or answer.drain
        self._on_answer(answer)
        self._send_due.set()

    async def _send(self) -> None:
        """Sends until the learner asks to drain, then half-closes.

        A write is never cancelled while the stream lives: gRPC would cancel the whole call with it.
        """
        while not (self.drained or self._ended):
            await self._send_due.wait()
            self._send_due.clear()
            if self._leaving_due and not self.drained:
                self._leaving_due = False
                leaving = pb.Leaving(last_sequence=self._outbox.newest_sequence)
                await self._call.write(pb.PushTrajectoriesRequest(leaving=leaving))
            while not self.drained and self.due and (chunks := self._waiting()):
                await self._call.write(_request(chunks))
        if self.drained:
            await self._call.done_writing()

    def _waiting(self) -> list[trajectory_pb2.TrajectoryChunk]:
        """The chunks of the next message: as many as wait and credit, their number and their bytes allow."""
        chunks: list[trajectory_pb2.TrajectoryChunk] = []
        size = 0
        while len(chunks) < self._most_chunks and self._next_sequence <= self._send_until:
            chunk = self._outbox.find(self._next_sequence)
            if chunk is None:
                break
            size += chunk.ByteSize()
            if chunks and size > MESSAGE_BYTES:
                break
            chunks.append(chunk)
            self._next_sequence += 1
        if chunks:
            self._gather(MESSAGE_BYTES * len(chunks) // size)
        return chunks

    def _gather(self, enough: int) -> None:
        """Lets chunks gather for a while, or until so many wait."""
        self._enough = max(min(enough, self._most_gathered), 1)
        if not self._gathering:
            self._gathering = True
            asyncio.get_running_loop().call_later(self._gather_seconds, self._end_gathering)

    def _end_gathering(self) -> None:
        self._gathering = False
        self._send_due.set()


def _request(chunks: list[trajectory_pb2.TrajectoryChunk]) -> pb.PushTrajectoriesRequest:
    if len(chunks) == 1:
        return pb.PushTrajectoriesRequest(chunk=chunks[0])
    return pb.PushTrajectoriesRequest(chunks=pb.TrajectoryChunks(chunks=chunks))
