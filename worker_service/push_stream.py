"""One PushTrajectories call: sends what the outbox holds, as far as the learner's credit reaches."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import grpc

from distrib_l2r.v1 import learner_service_pb2 as pb
from worker_service.outbox import Outbox

OPEN_DEADLINE_SECONDS: Final = 10.0
"""Until a new stream's first answer."""


class SessionLostError(Exception):
    """The learner knows less of this session than it once acknowledged: its replay is gone."""


class PushStream:
    """Lives on the client's event loop.

    Args:
        call: a PushTrajectories call just begun.
        outbox: what to send; acknowledged chunks leave it.
        on_answer: called with each answer, after the outbox let go of what it acknowledges.
    """

    def __init__(self, call: Any, outbox: Outbox, on_answer: Callable[[pb.PushTrajectoriesResponse], None]) -> None:
        self._call = call
        self._outbox = outbox
        self._on_answer = on_answer
        self._send_due = asyncio.Event()
        self._next_sequence = 0
        self._send_until = 0

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
        self._next_sequence = first.committed_sequence + 1
        self._take(first)

    async def run(self) -> None:
        """Sends and reads until the learner drains or ends the stream.

        Raises:
            grpc.aio.AioRpcError: the learner refused, or the connection broke.
        """
        sender = asyncio.create_task(self._send(), name="send")
        try:
            while True:
                answer = await self._call.read()
                if answer is grpc.aio.EOF:
                    return
                self._take(answer)
                if answer.drain:
                    return
        finally:
            sender.cancel()
            # A broken stream fails the sender too; the reader has told of it already.
            await asyncio.gather(sender, return_exceptions=True)

    def wake(self) -> None:
        """Something was put into the outbox."""
        self._send_due.set()

    def close(self) -> None:
        """Ends the call, whatever its state."""
        self._call.cancel()

    def _take(self, answer: pb.PushTrajectoriesResponse) -> None:
        self._outbox.acknowledge(answer.committed_sequence)
        self._send_until = answer.committed_sequence + answer.credit
        self._on_answer(answer)
        self._send_due.set()

    async def _send(self) -> None:
        while True:
            await self._send_due.wait()
            self._send_due.clear()
            while self._next_sequence <= self._send_until:
                chunk = self._outbox.find(self._next_sequence)
                if chunk is None:
                    break
                await self._call.write(pb.PushTrajectoriesRequest(chunk=chunk))
                self._next_sequence += 1
