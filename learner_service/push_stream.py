"""One open PushTrajectories call: chunks into the run, acknowledgements out."""

import asyncio
import math
import time
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import grpc

from distrib_l2r.invalid import InvalidMessageError, refuse
from distrib_l2r.trajectory import decode_chunk
from distrib_l2r.v1 import learner_service_pb2 as pb
from distrib_l2r.v1 import status_pb2, trajectory_pb2
from learner_service.credit import Credit
from learner_service.run import Run
from learner_service.session import Session
from learner_service.training import Training

Context: TypeAlias = "grpc.aio.ServicerContext[pb.PushTrajectoriesRequest, pb.PushTrajectoriesResponse]"

STOPPING: Final = "the learner is stopping; join its successor"
HALF_CLOSE_SECONDS: Final = 1.0
"""From an acknowledgement that says drain to the worker's half-close."""
ANSWER_PERIOD_SECONDS: Final = 0.1
"""Between two acknowledgements of a worker that has credit left: an answer costs as much as a chunk, and one may stand
for several."""


class PushStream:
    """Lives on the server's event loop, from the header on.

    A commit is acknowledged at once, unless the last answer is less than `ANSWER_PERIOD_SECONDS` old and the worker has
    used less than half of the credit it was given then, and of its buffer: its next chunks are acknowledged with it.

    Args:
        run: takes the chunks.
        training: the run's.
        session: whose stream it is.
        header: the stream's first message.
        context: of the call.
    """

    def __init__(
        self, run: Run, training: Training, session: Session, header: pb.StreamHeader, context: Context
    ) -> None:
        self._run = run
        self._training = training
        self._session = session
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._answer_due = asyncio.Event()
        self._answer_timer: asyncio.TimerHandle | None = None
        self._answered_at = -math.inf
        # The first acknowledgement, which comes before the reader looks at any chunk, grants more.
        self._told_sequence = self._granted_sequence = session.committed_sequence
        self._buffer_chunks = header.buffer_chunks or run.config.flow.max_in_flight_chunks
        self._credit = 0
        self._replaced = self._draining = False

    def notify(self) -> None:
        """Something changed that the worker should hear of."""
        self._answer_due.set()

    def replace(self) -> None:
        """A newer stream of the session takes over: nothing more is read or acknowledged here."""
        self._replaced = True
        self.notify()

    def drain(self) -> None:
        """Tells the worker to leave."""
        self._draining = True
        self.notify()

    async def serve(self) -> None:
        """Until the worker half-closes, breaks a rule or drains, or a newer stream replaces this one."""
        reader = asyncio.create_task(self._read(), name=f"read-{self._session.worker_name}")
        reader.add_done_callback(lambda _: self.notify())
        try:
            await self._write(reader)
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
            self._stop_timer()

    async def _read(self) -> None:
        """Commits chunks until the worker half-closes.

        Raises:
            InvalidMessageError: a message breaks a rule.
            OverflowError: a chunk goes beyond the credit.
        """
        read: Any = self._context.read
        while (request := await read()) is not grpc.aio.EOF and not self._replaced:
            self._session.heard_at = time.monotonic()
            kind = request.WhichOneof("message")
            if kind == "chunk":
                self._commit((request.chunk,), ("chunk",))
                self._acknowledge()
            elif kind == "chunks":
                chunks = request.chunks.chunks
                most = self._run.config.flow.max_in_flight_chunks
                if not 1 <= len(chunks) <= most:
                    refuse("chunks", f"{len(chunks)} chunks", f"a message has 1 to {most}, as JoinRun's limits say")
                self._commit(chunks, [f"chunks[{number}]" for number in range(len(chunks))])
                self._acknowledge()
            elif kind == "leaving":
                self._session.leave(request.leaving.last_sequence, self._training.in_flight.leaving_chunks)
                self.notify()
            else:
                refuse("message", kind, "after the header only chunks and leaving may follow")

    def _commit(self, messages: Sequence[trajectory_pb2.TrajectoryChunk], paths: Sequence[str]) -> None:
        """Commits all the chunks of a message that are new, or none."""
        session, spaces, longest = self._session, self._training.spaces, self._run.config.flow.chunk_length
        sequence, chunks = session.committed_sequence, []
        for message, path in zip(messages, paths, strict=True):
            if message.sequence > self._granted_sequence:
                raise OverflowError(
                    f"{path}.sequence is {message.sequence}; credit reaches up to {self._granted_sequence}: "
                    "wait for an acknowledgement before sending more"
                )
            if 1 <= message.sequence <= session.committed_sequence:
                continue
            sequence += 1
            if message.sequence not in (0, sequence):
                refuse(f"{path}.sequence", message.sequence, f"the session's next is {sequence}: resend from there")
            chunk = decode_chunk(message, spaces, path)
            if chunk.length > longest:
                rule = f"a chunk has at most {longest}, as JoinRun's limits say"
                refuse(f"{path}.reward", f"{chunk.length} steps", rule)
            chunks.append(chunk)
        for chunk in chunks:
            self._run.commit(session, chunk)

    def _acknowledge(self) -> None:
        """Sees to it that what was received is acknowledged in time."""
        session = self._session
        used = session.committed_sequence - self._told_sequence
        next_at = self._answered_at + ANSWER_PERIOD_SECONDS
        # A worker that leaves waits for nothing but its last acknowledgement.
        leaves = session.leaves_after is not None and session.committed_sequence >= session.leaves_after
        window = min(self._credit, self._buffer_chunks)
        if 2 * used >= window or leaves or self._loop.time() >= next_at:
            self.notify()
        elif self._answer_timer is None:
            self._answer_timer = self._loop.call_at(next_at, self.notify)

    def _stop_timer(self) -> None:
        if self._answer_timer is not None:
            self._answer_timer.cancel()
            self._answer_timer = None

    async def _write(self, reader: "asyncio.Task[None]") -> None:
        write = self._context.write
        while not self._replaced:
            over = reader.done()
            await write(self._answer())
            if over:
                self._end(reader)
                return
            if self._draining:
                # Told so, the worker half-closes; what it had sent until then is committed and acknowledged.
                await asyncio.wait((reader,), timeout=HALF_CLOSE_SECONDS)
                await write(self._answer())
                if reader.done():
                    self._end(reader)
                else:
                    refuse_call(self._context, grpc.StatusCode.UNAVAILABLE, STOPPING)
                return
            await self._answer_due.wait()
            self._answer_due.clear()
        refuse_call(self._context, grpc.StatusCode.ABORTED, "a newer stream of the same session replaced this one")

    def _answer(self) -> pb.PushTrajectoriesResponse:
        self._stop_timer()
        self._answered_at = self._loop.time()
        session, training = self._session, self._training
        credit = self._credit_now()
        session.grant(credit.chunks)
        committed = self._told_sequence = session.committed_sequence
        self._credit = credit.chunks
        self._granted_sequence = max(self._granted_sequence, committed + credit.chunks)
        return pb.PushTrajectoriesResponse(
            committed_sequence=committed,
            newest_policy_version=training.store.newest_version,
            credit=credit.chunks,
            flow_detail=credit.detail,
            flow_state=status_pb2.FlowState.ValueType(training.limiter.state),
            drain=self._draining,
        )

    def _credit_now(self) -> Credit:
        if self._draining:
            return Credit(0, "the learner is stopping")
        session, in_flight = self._session, self._training.in_flight
        if session.leaves_after is not None:
            return in_flight.leaving_credit(session.leaves_after - session.committed_sequence)
        return in_flight.credit(evaluates=session.evaluates)

    def _end(self, reader: "asyncio.Task[None]") -> None:
        """Ends a stream whose reader is done: OK after a half-close, else with the reader's reason."""
        error = None if reader.cancelled() else reader.exception()
        if isinstance(error, InvalidMessageError):
            refuse_call(self._context, grpc.StatusCode.INVALID_ARGUMENT, str(error))
        elif isinstance(error, OverflowError):
            refuse_call(self._context, grpc.StatusCode.RESOURCE_EXHAUSTED, str(error))
        elif error is not None:
            raise error


def refuse_call(context: Context, code: grpc.StatusCode, sentence: str) -> None:
    """Sets a stream's status; whoever calls returns at once.

    `abort` would raise, and gRPC keeps that exception with the call: frames, unread messages and all, until the garbage
    collector comes by. A client that is refused over and over would fill the memory.
    """
    context.set_code(code)
    context.set_details(sentence)
