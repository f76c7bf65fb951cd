"""The RPCs of `LearnerService`: messages checked, handed to the run, and answered."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import TypeAlias

import grpc

from distrib_l2r.invalid import InvalidMessageError, refuse
from distrib_l2r.limits import MAX_NAME_LENGTH, PROTOCOL_VERSION
from distrib_l2r.policy import encode_graph
from distrib_l2r.spaces import decode_spaces, encode_spaces
from distrib_l2r.v1 import join_pb2
from distrib_l2r.v1 import learner_service_pb2 as pb
from learner_service.push_stream import STOPPING, Context, PushStream, refuse_call
from learner_service.run import Run, TooManySessionsError
from learner_service.session import Session
from learner_service.status import Rates, run_status
from learner_service.training import Training

AnyContext: TypeAlias = "grpc.aio.ServicerContext[object, object]"

MAX_SESSION_ID_LENGTH = 64
HEADER_DEADLINE_SECONDS = 30.0
"""From the opening of a stream to its header."""


class LearnerServicer:
    """Runs on the server's event loop and nowhere else."""

    def __init__(self, run: Run, rates: Rates) -> None:
        self._run = run
        self._rates = rates
        self._streams: set[PushStream] = set()
        self._draining = False

    async def JoinRun(self, request: pb.JoinRunRequest, context: AnyContext) -> pb.JoinRunResponse:  # noqa: N802
        """See learner_service.proto."""
        if self._draining:
            await context.abort(grpc.StatusCode.UNAVAILABLE, STOPPING)
        if request.protocol_version != PROTOCOL_VERSION:
            await context.abort(
                grpc.StatusCode.FAILED_PRECONDITION,
                f"protocol_version is {request.protocol_version}; this learner speaks {PROTOCOL_VERSION}: "
                "install the same release on both sides",
            )
        try:
            _check_join(request)
            spaces = decode_spaces(request.spaces) if request.HasField("spaces") else None
        except InvalidMessageError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        run = self._run
        if spaces is not None and run.training is None:
            # Seconds of building networks: beside the event loop, so that other calls are answered meanwhile.
            try:
                await asyncio.to_thread(run.begin, spaces)
            except OSError as error:
                await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, f"the run cannot begin: {error.strerror}")
            except ValueError as error:
                await context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"the run cannot begin: {error}")
        training = run.training
        if spaces is not None and training is not None:
            mismatch = training.spaces.mismatch(spaces)
            if mismatch is not None:
                await context.abort(
                    grpc.StatusCode.FAILED_PRECONDITION,
                    f"{mismatch}: update the worker's environment or wrapper, or start another run",
                )
        try:
            session = run.join(request.session_id, request.worker_name, request.role)
        except TooManySessionsError as error:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error))
        session.heard_at = time.monotonic()
        return pb.JoinRunResponse(
            run_id=run.run_id,
            environment=run.environment,
            spaces=encode_spaces(training.spaces) if training else None,
            graph=encode_graph(training.store.graph) if training and spaces is not None else None,
            assignment=session.assignment,
            limits=run.limits(),
        )

    async def GetPolicy(self, request: pb.GetPolicyRequest, context: AnyContext) -> bytes:  # noqa: N802
        """See learner_service.proto; answers with the bytes that the store serialised once."""
        if self._draining:
            await context.abort(grpc.StatusCode.UNAVAILABLE, STOPPING)
        training = self._run.training
        if training is None:
            await context.abort(
                grpc.StatusCode.FAILED_PRECONDITION, "no policy exists yet: JoinRun with spaces comes first"
            )
        if request.session_id:
            session = self._run.sessions.get(request.session_id)
            if session is None:
                await context.abort(grpc.StatusCode.FAILED_PRECONDITION, _unjoined(request.session_id))
            if session.evaluates:
                training.store.pin(session.session_id)
        return training.store.response(request.known_version)

    async def PushTrajectories(  # noqa: N802
        self, requests: AsyncIterator[pb.PushTrajectoriesRequest], context: Context
    ) -> None:
        """See learner_service.proto."""
        opened = await self._open(requests, context)
        if opened is None:
            return
        session, header = opened
        training = self._training()
        stream = PushStream(self._run, training, session, header, context)
        if session.stream is not None:
            session.stream.replace()
        session.stream = stream
        self._streams.add(stream)
        training.in_flight.open(evaluates=session.evaluates)
        try:
            await stream.serve()
        finally:
            self._streams.discard(stream)
            training.in_flight.close(evaluates=session.evaluates)
            if session.stream is stream:
                session.stream = None
                self.notify()  # one collector less: the others' share of credit grows

    async def GetRunStatus(  # noqa: N802
        self, request: pb.GetRunStatusRequest, context: AnyContext
    ) -> pb.GetRunStatusResponse:
        """See learner_service.proto."""
        return pb.GetRunStatusResponse(status=run_status(self._run, self._rates))

    def notify(self) -> None:
        """Lets every stream send an acknowledgement: something changed that workers should hear."""
        for stream in self._streams:
            stream.notify()

    def drain(self) -> None:
        """Refuses new work and tells every worker to leave."""
        self._draining = True
        for stream in self._streams:
            stream.drain()

    @property
    def open_streams(self) -> int:
        """How many workers are connected."""
        return len(self._streams)

    def _training(self) -> Training:
        training = self._run.training
        assert training is not None, "streams open only once training began"
        return training

    async def _open(
        self, requests: AsyncIterator[pb.PushTrajectoriesRequest], context: Context
    ) -> tuple[Session, pb.StreamHeader] | None:
        """The session and the header of a new stream; None where it was refused."""
        try:
            first = await asyncio.wait_for(anext(requests, None), HEADER_DEADLINE_SECONDS)
        except TimeoutError:
            sentence = f"no header came within {HEADER_DEADLINE_SECONDS:.0f} s; send it when the stream opens"
            refuse_call(context, grpc.StatusCode.DEADLINE_EXCEEDED, sentence)
            return None
        if first is None or not first.HasField("header"):
            sentence = "the first message is not a header; send exactly one, before chunks"
            refuse_call(context, grpc.StatusCode.INVALID_ARGUMENT, sentence)
            return None
        if self._draining:
            refuse_call(context, grpc.StatusCode.UNAVAILABLE, STOPPING)
            return None
        session = self._run.sessions.get(first.header.session_id)
        training = self._run.training
        if session is None or training is None:
            refuse_call(context, grpc.StatusCode.FAILED_PRECONDITION, _unjoined(first.header.session_id))
            return None
        if first.header.graph_fingerprint != training.store.fingerprint:
            refuse_call(
                context,
                grpc.StatusCode.FAILED_PRECONDITION,
                f"header.graph_fingerprint is {first.header.graph_fingerprint!r}; the run's graph is "
                f"{training.store.fingerprint}: call JoinRun again",
            )
            return None
        return session, first.header


def _unjoined(session_id: str) -> str:
    return f"session_id {session_id!r} has not joined this learner process: call JoinRun first"


def _check_join(request: pb.JoinRunRequest) -> None:
    for name, longest in (("worker_name", MAX_NAME_LENGTH), ("session_id", MAX_SESSION_ID_LENGTH)):
        length = len(getattr(request, name))
        if not 1 <= length <= longest:
            refuse(name, f"{length} characters long", f"it must have 1 to {longest} characters")
    if request.role not in join_pb2.Role.values():
        refuse("role", request.role, "it must be a listed Role")
