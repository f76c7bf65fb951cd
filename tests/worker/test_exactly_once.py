"""Outbox and stream against a model of the learner, through cuts, lost acknowledgements, restarts and lost replay."""

import asyncio
from dataclasses import dataclass, field

import grpc
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from distrib_l2r.v1 import learner_service_pb2 as pb
from distrib_l2r.v1 import tensor_pb2, trajectory_pb2
from worker_service.outbox import Outbox
from worker_service.push_stream import MESSAGE_BYTES, PushStream, SessionLostError

CREDIT = 3
FOR_EVER = 1000.0
"""Seconds to gather that no test lasts."""


@dataclass
class ModelLearner:
    """Commits as the contract says; `stored` is its replay, by episode."""

    committed: dict[str, int] = field(default_factory=dict)
    stored: list[int] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    credit: int = CREDIT

    def lose_replay(self) -> None:
        self.committed.clear()
        self.stored.clear()

    def commit(self, session: str, chunk: trajectory_pb2.TrajectoryChunk) -> None:
        before = self.committed.get(session, 0)
        if chunk.sequence > before + 1:
            self.refused.append(f"{chunk.sequence} after {before}")
        elif chunk.sequence == before + 1:
            self.committed[session] = chunk.sequence
            self.stored.append(chunk.episode_id)


class ModelCall:
    """A PushTrajectories call: what is written is on its way until the learner takes it."""

    def __init__(self, learner: ModelLearner, session: str) -> None:
        self._learner = learner
        self.session = session
        self._on_its_way: list[trajectory_pb2.TrajectoryChunk] = []
        self._answers: asyncio.Queue[pb.PushTrajectoriesResponse | None] = asyncio.Queue()
        self.half_closed = False
        self.message_lengths: list[int] = []
        self.written = asyncio.Event()

    async def write(self, request: pb.PushTrajectoriesRequest) -> None:
        # As gRPC does, which serialises before anything is sent.
        request = pb.PushTrajectoriesRequest.FromString(request.SerializeToString())
        assert not self.half_closed, "nothing may be written after the half-close"
        if request.HasField("header"):
            self.acknowledge()
        elif not request.HasField("leaving"):
            chunks = request.chunks.chunks or [request.chunk]
            self._on_its_way += chunks
            self.message_lengths.append(len(chunks))
            self.written.set()

    async def done_writing(self) -> None:
        self.half_closed = True

    async def read(self) -> object:
        answer = await self._answers.get()
        if answer is None:
            raise grpc.aio.AioRpcError(
                grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), "the planted cut"
            )
        return answer

    def cancel(self) -> None:
        pass

    def deliver(self, count: int) -> None:
        """So many chunks reach the learner, which commits them; no answer is sent yet."""
        for chunk in self._on_its_way[:count]:
            self._learner.commit(self.session, chunk)
        del self._on_its_way[:count]

    def acknowledge(self) -> None:
        sequence = self._learner.committed.get(self.session, 0)
        self._answers.put_nowait(pb.PushTrajectoriesResponse(committed_sequence=sequence, credit=self._learner.credit))

    def cut(self) -> None:
        self._on_its_way.clear()
        self._answers.put_nowait(None)


class Worker:
    """The client's part: reconnects, and begins a new session where the old one is lost."""

    def __init__(self, learner: ModelLearner, most_chunks: int = 1, gather_seconds: float = 0.0) -> None:
        self.learner = learner
        self.most_chunks = most_chunks
        self.gather_seconds = gather_seconds
        self.outbox = Outbox(capacity=1000)
        self.sessions = 1
        self.call: ModelCall
        self.ids = 0

    def put(self, data: bytes = b"") -> None:
        self.ids += 1
        chunk = trajectory_pb2.TrajectoryChunk(episode_id=self.ids, reward=tensor_pb2.Tensor(data=data))
        assert self.outbox.put(chunk, 0)

    def wake(self) -> None:
        """As the client does."""
        if self.stream.due:
            self.stream.wake()

    async def connect(self) -> None:
        while True:
            self.call = ModelCall(self.learner, f"session-{self.sessions}")
            self.stream = PushStream(
                self.call,
                self.outbox,
                lambda _: None,
                most_chunks=self.most_chunks,
                gather_seconds=self.gather_seconds,
            )
            self.outbox.on_put = self.wake
            try:
                await self.stream.open(pb.StreamHeader())
                break
            except SessionLostError:
                self.sessions += 1
                self.outbox.restart()
        self.run = asyncio.create_task(self.stream.run())

    async def reconnect(self) -> None:
        self.call.cut()
        with pytest.raises(grpc.aio.AioRpcError):
            await asyncio.wait_for(self.run, 5)
        await self.connect()


async def settle() -> None:
    """Lets both tasks of a stream do all they can."""
    for _ in range(12):
        await asyncio.sleep(0)


EVENTS = st.lists(
    st.one_of(
        st.just("put"),
        st.just("put"),
        st.tuples(st.just("deliver"), st.integers(1, 3)),
        st.just("acknowledge"),
        st.just("cut"),
        st.just("lose replay"),
    ),
    max_size=40,
)


@settings(max_examples=200, deadline=None)
@given(EVENTS, st.sampled_from([1, 3]), st.sampled_from([0.0, FOR_EVER]))
def test_every_chunk_is_committed_exactly_once_and_in_order(
    events: list[object], most_chunks: int, gather_seconds: float
) -> None:
    asyncio.run(play(events, most_chunks, gather_seconds))


async def play(events: list[object], most_chunks: int, gather_seconds: float) -> None:
    learner = ModelLearner()
    worker = Worker(learner, most_chunks, gather_seconds)
    await worker.connect()
    gone = 0  # chunks up to this id were acknowledged and then lost together with the learner's replay
    for action in events:
        if isinstance(action, tuple):
            worker.call.deliver(action[1])
        elif action == "cut":
            await worker.reconnect()
        elif action == "lose replay":
            gone = worker.ids - len(worker.outbox)
            event("replay lost with chunks acknowledged" if gone else "replay lost before any acknowledgement")
            learner.lose_replay()
            await worker.reconnect()
        elif action == "put":
            worker.put()
        else:
            worker.call.acknowledge()
        await settle()
        assert learner.stored == list(range(gone + 1, gone + 1 + len(learner.stored))), "each once, in order"
    # In the end all that was put is there.
    worker.stream.leave()
    for _ in range(worker.ids + 1):
        worker.call.deliver(CREDIT)
        worker.call.acknowledge()
        await settle()
    assert learner.stored == list(range(gone + 1, worker.ids + 1))
    assert len(worker.outbox) == 0
    assert not learner.refused
    await worker.reconnect()
    worker.run.cancel()


def test_an_older_stream_that_still_brought_a_chunk_in_is_not_waited_for() -> None:
    async def scene() -> None:
        worker = Worker(ModelLearner(credit=0))
        await worker.connect()
        worker.put()
        worker.put()
        await settle()
        # The learner commits a chunk that this stream never sent: an older one of the session had brought it.
        worker.learner.commit("session-1", trajectory_pb2.TrajectoryChunk(sequence=1, episode_id=1))
        worker.learner.credit = CREDIT
        worker.call.acknowledge()
        await settle()
        worker.call.deliver(3)
        worker.call.acknowledge()
        await settle()
        assert worker.learner.stored == [1, 2]
        assert len(worker.outbox) == 0
        worker.run.cancel()

    asyncio.run(scene())


def test_a_learner_that_knows_more_of_the_session_than_was_put_is_met_as_a_new_session() -> None:
    async def scene() -> None:
        learner = ModelLearner(committed={"session-1": 7})
        worker = Worker(learner)
        worker.put()
        await worker.connect()
        await settle()
        worker.call.deliver(1)
        assert worker.sessions == 2
        assert learner.stored == [1], "and not taken for what the other process had put"
        worker.run.cancel()

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("credit", "size", "message_lengths"),
    [(8, 10, [3, 3, 1]), (5, 10, [3, 2]), (8, MESSAGE_BYTES // 2 - 1000, [2, 2, 2, 1]), (8, MESSAGE_BYTES, [1] * 7)],
)
def test_chunks_that_wait_go_together_as_far_as_credit_number_and_bytes_allow(
    credit: int, size: int, message_lengths: list[int]
) -> None:
    async def scene() -> None:
        worker = Worker(ModelLearner(credit=credit), most_chunks=3)
        for _ in range(7):
            worker.put(bytes(size))
        await worker.connect()
        await settle()
        assert worker.call.message_lengths == message_lengths
        worker.run.cancel()

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("credit", "size", "gathered"),
    [(8, 10, 3), (3, 10, 2), (8, MESSAGE_BYTES // 2 - 1000, 2), (8, MESSAGE_BYTES, 1)],
)
def test_the_first_chunk_goes_at_once_and_the_next_gather_until_they_fill_a_message(
    credit: int, size: int, gathered: int
) -> None:
    async def scene() -> None:
        worker = Worker(ModelLearner(credit=credit), most_chunks=3, gather_seconds=FOR_EVER)
        await worker.connect()
        await settle()
        for _ in range(gathered):
            worker.put(bytes(size))
            await settle()
            assert worker.call.message_lengths == [1]
        worker.put(bytes(size))
        await settle()
        assert worker.call.message_lengths == [1, gathered], "the rest of the credit, a message's number or its bytes"
        worker.run.cancel()

    asyncio.run(scene())


@pytest.mark.parametrize("leaves", [True, False])
def test_chunks_that_gather_go_when_their_time_is_over_or_the_worker_leaves(leaves: bool) -> None:
    async def scene() -> None:
        worker = Worker(ModelLearner(credit=8), most_chunks=4, gather_seconds=FOR_EVER if leaves else 0.05)
        await worker.connect()
        await settle()
        for _ in range(3):
            worker.put()
            await settle()
        assert worker.call.message_lengths == [1]
        if leaves:
            worker.stream.leave()
        async with asyncio.timeout(5):
            while sum(worker.call.message_lengths) < 3:
                worker.call.written.clear()
                await worker.call.written.wait()
        assert worker.call.message_lengths == [1, 2]
        worker.run.cancel()

    asyncio.run(scene())
