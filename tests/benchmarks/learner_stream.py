"""One session that streams prepared chunks into a learner, paced or as far as credit reaches."""

import asyncio
import time
import uuid
from collections import deque
from typing import Any, Final

import grpc

from distrib_l2r.limits import CHANNEL_OPTIONS, PROTOCOL_VERSION
from distrib_l2r.policy import decode_version
from distrib_l2r.spaces import encode_spaces
from distrib_l2r.v1 import learner_service_pb2 as pb
from tests.benchmarks.load import Acknowledgement, Arrival, Load, Tally
from tests.benchmarks.pour import JOIN_DEADLINE_SECONDS, SPACES, Chunks

SERVICE: Final = "/distrib_l2r.v1.LearnerService"
CALL_DEADLINE_SECONDS: Final = 20.0
LAST_ANSWERS_SECONDS: Final = 20.0
"""From the half-close to the stream's end."""


class LearnerStream:
    """Opened, run, and closed once.

    Args:
        number: among the streams of the process.
        load: what to send.
        chunks: the messages.
        tally: takes what happened.
    """

    def __init__(self, number: int, load: Load, chunks: Chunks, tally: Tally) -> None:
        self._number = number
        self._load = load
        self._chunks = chunks
        self._tally = tally
        self._session_id = uuid.uuid4().hex
        self._committed = self._send_until = self._known_version = 0
        self._newest_version = 0
        self._sent_at: deque[float] = deque()
        self._heard = asyncio.Event()
        self._fetch_due = asyncio.Event()
        self._stopping = False
        # Without its own pool of connections a channel shares those of others to the same address.
        options = (*CHANNEL_OPTIONS, ("grpc.use_local_subchannel_pool", 1))
        self._channel = grpc.aio.insecure_channel(load.address, options=options)

    async def open(self) -> None:
        """Joins and opens the stream.

        Raises:
            grpc.aio.AioRpcError: the learner refused.
        """
        join: Any = self._channel.unary_unary(
            f"{SERVICE}/JoinRun",
            request_serializer=pb.JoinRunRequest.SerializeToString,
            response_deserializer=pb.JoinRunResponse.FromString,
        )
        request = pb.JoinRunRequest(
            protocol_version=PROTOCOL_VERSION,
            worker_name=f"load-{self._number}",
            session_id=self._session_id,
            spaces=encode_spaces(SPACES[self._load.observation]),
        )
        answer = await join(request, timeout=JOIN_DEADLINE_SECONDS)
        header = pb.StreamHeader(session_id=self._session_id, graph_fingerprint=answer.graph.fingerprint)
        push: Any = self._channel.stream_stream(
            f"{SERVICE}/PushTrajectories",
            request_serializer=None,
            response_deserializer=pb.PushTrajectoriesResponse.FromString,
        )
        self._call = push()
        await self._call.write(pb.PushTrajectoriesRequest(header=header).SerializeToString())
        self._take(await asyncio.wait_for(self._call.read(), CALL_DEADLINE_SECONDS))

    async def run(self) -> None:
        """Sends until stopped, then half-closes and reads the last answers.

        Raises:
            grpc.aio.AioRpcError: the learner refused, or the connection broke.
            TimeoutError: the last answers did not come.
        """
        reader = asyncio.create_task(self._read())
        fetcher = asyncio.create_task(self._fetch()) if self._load.fetch else None
        try:
            await (self._send_by_time() if self._load.period_seconds else self._send())
            await self._call.done_writing()
            await asyncio.wait_for(reader, LAST_ANSWERS_SECONDS)
            if fetcher is not None and fetcher.done():
                fetcher.result()
        finally:
            self._call.cancel()
            tasks = [task for task in (reader, fetcher) if task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._channel.close()

    def stop(self) -> None:
        """Lets `run` end."""
        self._stopping = True
        self._heard.set()

    async def _send(self) -> None:
        sent, count = self._committed, self._load.message_chunks
        while not self._stopping:
            if sent + count <= self._send_until:
                self._sent_at.extend([time.monotonic()] * count)
                await self._call.write(self._chunks.request(sent + 1, count))
                sent += count
            else:
                self._heard.clear()
                await self._heard.wait()

    async def _send_by_time(self) -> None:
        """A chunk each period, later where credit is missing; what is late is made up for, as by a worker's buffer."""
        period = self._load.period_seconds
        due = time.monotonic() + period * self._number / self._load.streams
        sent = self._committed
        while not self._stopping:
            delay = due - time.monotonic()
            if delay > 0:
                self._heard.clear()
                try:
                    async with asyncio.timeout(delay):
                        await self._heard.wait()
                except TimeoutError:
                    pass
            elif sent < self._send_until:
                sent += 1
                due += period
                self._sent_at.append(time.monotonic())
                await self._call.write(self._chunks.request(sent))
            else:
                self._heard.clear()
                await self._heard.wait()

    async def _read(self) -> None:
        try:
            while (answer := await self._call.read()) is not grpc.aio.EOF:
                self._take(answer)
        finally:
            # A stream that broke sends no more; whoever awaits the reader gets its error.
            self.stop()

    def _take(self, answer: pb.PushTrajectoriesResponse) -> None:
        now = time.monotonic()
        while self._committed < answer.committed_sequence:
            self._committed += 1
            if self._sent_at:
                self._tally.acknowledgements.append(Acknowledgement(at=now, seconds=now - self._sent_at.popleft()))
        self._send_until = answer.committed_sequence + answer.credit
        if answer.newest_policy_version != self._newest_version:
            self._newest_version = answer.newest_policy_version
            self._fetch_due.set()
        self._heard.set()

    async def _fetch(self) -> None:
        get: Any = self._channel.unary_unary(
            f"{SERVICE}/GetPolicy",
            request_serializer=pb.GetPolicyRequest.SerializeToString,
            response_deserializer=None,
        )
        while True:
            await self._fetch_due.wait()
            self._fetch_due.clear()
            request = pb.GetPolicyRequest(session_id=self._session_id, known_version=self._known_version)
            body = await get(request, timeout=CALL_DEADLINE_SECONDS)
            answer = pb.GetPolicyResponse.FromString(body)
            if answer.HasField("policy"):
                policy = decode_version(answer.policy)
                self._known_version = policy.version
                self._tally.arrivals.append(
                    Arrival(
                        stream=self._session_id,
                        version=policy.version,
                        published_at=policy.published_at_seconds,
                        arrived_at=time.time(),
                        size=len(body),
                    )
                )
