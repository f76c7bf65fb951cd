"""Leaving without loss.

A learner that stops: the worker half-closes, hears the last answer, and the successor gets the rest. A worker that
leaves: it hands over what it holds, whatever samples per insert say.
"""

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest

from distrib_l2r.limits import CHANNEL_OPTIONS
from distrib_l2r.policy import encode_graph
from distrib_l2r.v1 import learner_service_pb2 as pb
from distrib_l2r.v1 import learner_service_pb2_grpc as pb_grpc
from distrib_l2r.v1 import trajectory_pb2
from learner_service import AsyncLearningNode
from learner_service.actor_export import export_actor
from tests.bare_client import DEADLINE_SECONDS, BareClient, chunk_request, eventually
from tests.fakes import SPACES, CountingPolicy, LinearActor
from tests.learner.settings import THROTTLING
from worker_service.client import LearnerClient
from worker_service.config import WorkerConfig
from worker_service.outbox import Outbox

PUT = 6
TAKEN = 3
"""Chunks that the first life of the learner commits: it drains after the second."""


class StoppingLearner(pb_grpc.LearnerServiceServicer):
    """Keeps its replay, and drains in its first life, in the middle of a stream; its second takes all."""

    def __init__(self, graph: Any) -> None:
        self._graph = graph
        self.committed: list[int] = []
        self.sequences: list[int] = []
        self.sessions: list[str] = []
        self.half_closed = threading.Event()
        self.life = 1

    async def JoinRun(self, request: pb.JoinRunRequest, context: Any) -> pb.JoinRunResponse:  # noqa: N802
        return pb.JoinRunResponse(run_id="run", graph=encode_graph(self._graph))

    async def GetPolicy(self, request: pb.GetPolicyRequest, context: Any) -> pb.GetPolicyResponse:  # noqa: N802
        return pb.GetPolicyResponse()

    async def GetRunStatus(  # noqa: N802
        self, request: pb.GetRunStatusRequest, context: Any
    ) -> pb.GetRunStatusResponse:
        return pb.GetRunStatusResponse()

    async def PushTrajectories(  # noqa: N802
        self, requests: AsyncIterator[pb.PushTrajectoriesRequest], context: Any
    ) -> AsyncIterator[pb.PushTrajectoriesResponse]:
        header = await anext(requests)
        self.sessions.append(header.header.session_id)
        life = self.life
        yield self._answer(credit=TAKEN if life == 1 else 8)
        async for request in requests:
            self._commit(request.chunk)
            if life == 1 and len(self.sequences) == TAKEN - 1:
                # With credit left: a worker that merely counted credit would go on.
                yield self._answer(credit=8, drain=True)
            elif life == 2:
                yield self._answer(credit=8)
        if life == 1:
            self.life = 2
            self.half_closed.set()
            yield self._answer(credit=0, drain=True)

    def _commit(self, chunk: trajectory_pb2.TrajectoryChunk) -> None:
        if chunk.sequence > len(self.sequences):
            assert chunk.sequence == len(self.sequences) + 1
            self.sequences.append(chunk.sequence)
            self.committed.append(chunk.episode_id)

    def _answer(self, *, credit: int, drain: bool = False) -> pb.PushTrajectoriesResponse:
        return pb.PushTrajectoriesResponse(
            committed_sequence=len(self.sequences), newest_policy_version=1, credit=credit, drain=drain
        )


class Served:
    """A servicer served by an asyncio loop on a thread of its own."""

    def __init__(self, servicer: StoppingLearner) -> None:
        self._servicer = servicer
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="model-service")

    def __enter__(self) -> str:
        self._thread.start()
        assert self._started.wait(DEADLINE_SECONDS)
        return f"127.0.0.1:{self._port}"

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(DEADLINE_SECONDS)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = grpc.aio.server(options=CHANNEL_OPTIONS)
        pb_grpc.add_LearnerServiceServicer_to_server(self._servicer, server)
        self._port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        self._started.set()
        await self._stop.wait()
        await server.stop(0)


def test_a_worker_asked_to_drain_half_closes_and_keeps_the_rest_for_the_successor() -> None:
    learner = StoppingLearner(export_actor(LinearActor(), SPACES))
    outbox = Outbox(PUT)
    for number in range(1, PUT + 1):
        assert outbox.put(trajectory_pb2.TrajectoryChunk(episode_id=number), 0)
    with Served(learner) as address:
        client = LearnerClient(WorkerConfig(learner=address, name="tested"), outbox)
        client.start()
        client.bring(SPACES)
        assert learner.half_closed.wait(DEADLINE_SECONDS), "the worker half-closes"
        eventually(lambda: len(learner.committed) == PUT, "the successor gets the rest")
        assert client.close(5), "all is acknowledged"
    assert learner.committed == list(range(1, PUT + 1))
    assert len(learner.sessions) == 2
    assert learner.sessions[0] == learner.sessions[1], "it goes on as the same session"


@pytest.mark.parametrize("reconnecting", [False, True])
def test_a_worker_that_leaves_while_it_has_no_credit_hands_over_all_it_holds(
    fake_actor_exported_once: None, reconnecting: bool
) -> None:
    gate = threading.Event()
    outbox = Outbox(PUT)
    with (
        AsyncLearningNode(CountingPolicy(gate=gate), THROTTLING) as node,
        BareClient(node.address) as other,
    ):
        other.open(other.header()).send_until_throttled()
        client = LearnerClient(WorkerConfig(learner=node.address, name="leaving"), outbox)
        client.start()
        client.bring(SPACES)
        eventually(lambda: "throttled" in str(client.contact).lower(), "the worker hears that it must wait")
        for number in range(PUT):
            assert outbox.put(chunk_request(1, first_step=4 * number).chunk, 0)
        if reconnecting:
            session = next(worker for worker in other.status().workers if worker.name == "leaving").session_id
            replaced = BareClient(node.address, session)
            with replaced:
                replaced.open(replaced.header()).answer()
                assert client.close(5), "all is acknowledged"
        else:
            assert client.close(5), "all is acknowledged"
        workers = {worker.name: worker for worker in other.status().workers}
        assert workers["leaving"].committed_sequence == PUT
        gate.set()


def test_a_worker_leaving_an_older_learner_sends_it_nothing_that_it_does_not_know() -> None:
    learner = StoppingLearner(export_actor(LinearActor(), SPACES))
    learner.life = 2
    outbox = Outbox(PUT)
    with Served(learner) as address:
        client = LearnerClient(WorkerConfig(learner=address, name="tested"), outbox)
        client.start()
        client.bring(SPACES)
        eventually(lambda: bool(learner.sessions), "it streams")
        for number in range(1, PUT + 1):
            assert outbox.put(trajectory_pb2.TrajectoryChunk(episode_id=number), 0)
        assert client.close(5), "all is acknowledged"
    assert learner.committed == list(range(1, PUT + 1))
