"""The learner as a worker sees it: an asyncio loop on a thread of its own that joins, pushes and fetches."""

import asyncio
import contextlib
import logging
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast

import grpc

from distrib_l2r.limits import CHANNEL_OPTIONS, PROTOCOL_VERSION
from distrib_l2r.policy import PolicyGraph, PolicyVersion, decode_graph, decode_version
from distrib_l2r.spaces import Spaces, encode_spaces
from distrib_l2r.v1 import join_pb2
from distrib_l2r.v1 import learner_service_pb2 as pb
from distrib_l2r.v1 import learner_service_pb2_grpc as pb_grpc
from worker_service.backoff import Backoff
from worker_service.config import WorkerConfig
from worker_service.contact import Away, Connected
from worker_service.outbox import Outbox
from worker_service.push_stream import PushStream, SessionLostError
from worker_service.security import call_metadata, channel_credentials

_logger = logging.getLogger(__name__)

CALL_DEADLINE_SECONDS: Final = 10.0
"""For a unary call. A learner under load answers in milliseconds."""
JOIN_DEADLINE_SECONDS: Final = 120.0
"""For the call that brings the run's first spaces: the learner builds its networks before it answers."""
KEEPALIVE_OPTIONS: Final = (
    # A cut link sends no reset: pings find out, within 15 s, that the learner is gone.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
)
RETRIED: Final = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        # The next are a connection that broke or hung. A stream replaced is this worker's own older one.
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.ABORTED,
        # What gRPC's asyncio server makes of a status that meets a write under way.
        grpc.StatusCode.INTERNAL,
    }
)


class LearnerRefusedError(RuntimeError):
    """The learner answered that trying again is no use; the message is its sentence."""


@dataclass(frozen=True, eq=False)
class Behaviour:
    """What to act with: weights and the graph they belong to."""

    graph: PolicyGraph
    policy: PolicyVersion


class LearnerClient:
    """Keeps a worker in touch with its learner, whatever happens to the connection.

    The rollout's thread calls the public methods; everything else runs on the client's own thread. Collecting workers
    get every new version as soon as it is announced; evaluating ones ask for it with `refresh`.
    """

    def __init__(self, config: WorkerConfig, outbox: Outbox) -> None:
        self._config = config
        self._outbox = outbox
        self._credentials = channel_credentials(config)
        self._metadata = call_metadata(config)
        self._evaluates = config.role == "evaluate"
        self._session_id = uuid.uuid4().hex
        self._spaces: Spaces | None = None
        self._changed = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run_loop, name="learner-client", daemon=True)
        self._spaces_known = asyncio.Event()
        self._fetch_due = asyncio.Event()
        self._closing = self._leaving = False
        self._stream: PushStream | None = None
        self._joined = False
        self.run: pb.JoinRunResponse | None = None
        """The newest answer to JoinRun."""
        self.behaviour: Behaviour | None = None
        """The newest fetched; replaced, never changed."""
        self.newest_version = 0
        self.failure: BaseException | None = None
        self.contact: Away | Connected = Away(reason="not reached yet")
        """How things stand; replaced, never changed."""

    def start(self) -> None:
        """Starts the thread, which asks for the run's environment until the learner answers."""
        self._thread.start()

    def bring(self, spaces: Spaces) -> None:
        """Tells the learner the spaces of this worker's environment; streaming begins."""
        self._spaces = spaces
        self._call_soon(self._spaces_known.set)

    def wait(self, condition: Callable[[], bool], timeout_seconds: float) -> bool:
        """Waits until `condition` holds, which is looked at after every news; False when it did not in time.

        Raises:
            LearnerRefusedError: the learner wants nothing of this worker.
        """
        with self._changed:
            held = self._changed.wait_for(lambda: self.failure is not None or condition(), timeout_seconds)
        self.check()
        return held

    def check(self) -> None:
        """Raises what ended the client's thread, if anything did.

        Raises:
            LearnerRefusedError: the learner wants nothing of this worker.
        """
        if isinstance(self.failure, LearnerRefusedError):
            raise self.failure
        if self.failure is not None:
            raise RuntimeError("the learner client failed") from self.failure

    def refresh(self) -> None:
        """Asks for the newest version now; `behaviour` changes when it arrives. For evaluating workers."""
        self._call_soon(self._fetch_due.set)

    def close(self, flush_seconds: float) -> bool:
        """Waits until all that was put is acknowledged, at most so long, and ends the thread; whether it was."""
        self._call_soon(self._leave)
        flushed = self.failure is None and self._outbox.wait_empty(flush_seconds)
        if self._thread.is_alive():
            self._closing = True
            self._loop.call_soon_threadsafe(self._main.cancel)
            self._thread.join(flush_seconds + 1.0)
        return flushed

    def _call_soon(self, callback: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # of a loop that has just ended; `check` tells the rollout why
            self._loop.call_soon_threadsafe(callback)

    # Below, everything runs on the client's thread.

    def _leave(self) -> None:
        self._leaving = True
        # An older learner knows no such message and would refuse the stream.
        if self._stream is not None and self.run is not None and self.run.limits.leaving_chunks:
            self._stream.leave()

    def _run_loop(self) -> None:
        self._main = self._loop.create_task(self._serve())
        try:
            self._loop.run_until_complete(self._main)
        except asyncio.CancelledError:
            if not self._closing:
                raise
        # Whatever ends this thread belongs to the rollout's thread: `check` raises it there.
        except BaseException as failure:
            self._tell(failure=failure)
        finally:
            self._loop.close()

    def _tell(self, **news: Any) -> None:
        with self._changed:
            for name, value in news.items():
                setattr(self, name, value)
            self._changed.notify_all()

    async def _serve(self) -> None:
        options = (*CHANNEL_OPTIONS, *KEEPALIVE_OPTIONS)
        if self._credentials is None:
            channel = grpc.aio.insecure_channel(self._config.learner, options=options)
        else:
            channel = grpc.aio.secure_channel(self._config.learner, self._credentials, options=options)
        async with channel:
            self._stub: Any = pb_grpc.LearnerServiceStub(channel)
            backoff = Backoff()
            while True:
                try:
                    reason = await self._work(backoff)
                except grpc.aio.AioRpcError as error:
                    if error.code() not in RETRIED and not self._must_rejoin(error):
                        raise LearnerRefusedError(
                            f"learner {self._config.learner}: {error.code().name}: {error.details()}"
                        ) from error
                    reason = f"{error.code().name}: {error.details()}"
                self._tell(contact=self.contact.away(reason))
                seconds = backoff.next_seconds()
                _logger.warning(
                    "learner %s: %s; %d chunks kept; trying again in %.1f s",
                    self._config.learner,
                    self.contact,
                    len(self._outbox),
                    seconds,
                )
                await asyncio.sleep(seconds)

    def _must_rejoin(self, error: grpc.aio.AioRpcError) -> bool:
        """Whether the learner merely does not know this session, as after its restart: calls after JoinRun only."""
        return error.code() is grpc.StatusCode.FAILED_PRECONDITION and self._joined

    async def _work(self, backoff: Backoff) -> str:
        """Joins and streams; returns why that ended."""
        self._joined = False
        if self._spaces is None:
            self._tell(run=await self._join(None))
            await self._spaces_known.wait()
        answer = await self._join(self._spaces)
        graph = decode_graph(answer.graph)
        self._joined = True
        self._tell(run=answer)
        push = asyncio.create_task(self._push(answer, backoff), name="push")
        fetch = asyncio.create_task(self._fetch(graph), name="fetch")
        try:
            await asyncio.wait((push, fetch), return_when=asyncio.FIRST_COMPLETED)
            if fetch.done():
                fetch.result()
            return await push
        finally:
            push.cancel()
            fetch.cancel()
            await asyncio.gather(push, fetch, return_exceptions=True)

    async def _join(self, spaces: Spaces | None) -> pb.JoinRunResponse:
        request = pb.JoinRunRequest(
            protocol_version=PROTOCOL_VERSION,
            worker_name=self._config.name,
            session_id=self._session_id,
            role=join_pb2.ROLE_EVALUATE if self._evaluates else join_pb2.ROLE_COLLECT,
            spaces=encode_spaces(spaces) if spaces is not None else None,
        )
        deadline = JOIN_DEADLINE_SECONDS if spaces is not None else CALL_DEADLINE_SECONDS
        return cast("pb.JoinRunResponse", await self._stub.JoinRun(request, timeout=deadline, metadata=self._metadata))

    async def _fetch(self, graph: PolicyGraph) -> None:
        """Fetches the newest version whenever one is due; the first after joining whatever its number.

        A learner that began anew counts versions from 1 again, so that numbers from before mean nothing.
        """
        known_version = 0
        self._fetch_due.set()
        while True:
            await self._fetch_due.wait()
            self._fetch_due.clear()
            request = pb.GetPolicyRequest(session_id=self._session_id, known_version=known_version)
            answer = await self._stub.GetPolicy(request, timeout=CALL_DEADLINE_SECONDS, metadata=self._metadata)
            if answer.HasField("policy"):
                policy = decode_version(answer.policy)
                known_version = policy.version
                before = self.behaviour.policy.version if self.behaviour is not None else 0
                if known_version < before:
                    _logger.warning(
                        "taking up policy version %d after %d: the learner that answers now began run %r anew",
                        known_version,
                        before,
                        self.run.run_id if self.run is not None else "",
                    )
                self._tell(behaviour=Behaviour(graph, policy), newest_version=known_version)

    async def _push(self, answer: pb.JoinRunResponse, backoff: Backoff) -> str:
        """Pushes chunks until the learner drains or the stream breaks; returns why it ended."""
        call, most = self._stub.PushTrajectories(metadata=self._metadata), answer.limits.max_message_chunks
        stream = PushStream(call, self._outbox, self._take, most_chunks=most or 1)
        # Waking this thread takes the interpreter's lock from the one that drives.
        self._outbox.on_put = lambda: self._call_soon(stream.wake) if stream.due else None
        try:
            header = pb.StreamHeader(session_id=self._session_id, graph_fingerprint=answer.graph.fingerprint)
            header.buffer_chunks = self._config.buffer_chunks
            await stream.open(header)
            backoff.reset()
            _logger.info("streaming to %s", self._config.learner)
            self._stream = stream
            if self._leaving:
                self._leave()
            await stream.run()
        except SessionLostError as error:
            self._session_id = uuid.uuid4().hex
            self._outbox.restart()
            return f"it lost this session, {error}: going on as a new one"
        except TimeoutError:
            return "it does not answer a new stream"
        finally:
            stream.close()
            self._stream = None
            self._outbox.on_put = lambda: None
        return "it is stopping" if stream.drained else "it ended the stream"

    def _take(self, answer: pb.PushTrajectoriesResponse) -> None:
        if answer.newest_policy_version != self.newest_version and not self._evaluates:
            self._fetch_due.set()
        self._tell(
            newest_version=answer.newest_policy_version,
            contact=Connected(flow_state=answer.flow_state, flow_detail=answer.flow_detail),
        )
