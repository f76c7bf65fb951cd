"""A bare client for tests: the generated stub and nothing of the worker's."""

import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self

import grpc
import numpy as np

from distrib_l2r.limits import CHANNEL_OPTIONS, PROTOCOL_VERSION
from distrib_l2r.spaces import Spaces, encode_spaces
from distrib_l2r.trajectory import Ending, EpisodeSummary, Purpose, TrajectoryChunk, encode_chunk
from distrib_l2r.v1 import join_pb2, status_pb2
from distrib_l2r.v1 import learner_service_pb2 as pb
from distrib_l2r.v1 import learner_service_pb2_grpc as pb_grpc
from tests.fakes import ACTION_SIZE, OBSERVATION_SIZE, SPACES

DEADLINE_SECONDS = 20.0


class BareClient:
    """One session."""

    def __init__(self, address: str, session_id: str = "session-1") -> None:
        self.channel = grpc.insecure_channel(address, options=list(CHANNEL_OPTIONS))
        self.stub: Any = pb_grpc.LearnerServiceStub(self.channel)
        self.session_id = session_id

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.channel.close()

    def join(
        self, spaces: Spaces | None = SPACES, role: join_pb2.Role.ValueType = join_pb2.ROLE_COLLECT, **fields: Any
    ) -> pb.JoinRunResponse:
        request = pb.JoinRunRequest(
            protocol_version=PROTOCOL_VERSION,
            worker_name="bare",
            session_id=self.session_id,
            role=role,
            spaces=encode_spaces(spaces) if spaces else None,
        )
        for name, value in fields.items():
            setattr(request, name, value)
        answer: pb.JoinRunResponse = self.stub.JoinRun(request, timeout=DEADLINE_SECONDS)
        return answer

    def get_policy(self, known_version: int = 0) -> pb.GetPolicyResponse:
        request = pb.GetPolicyRequest(session_id=self.session_id, known_version=known_version)
        answer: pb.GetPolicyResponse = self.stub.GetPolicy(request, timeout=DEADLINE_SECONDS)
        return answer

    def status(self) -> Any:
        return self.stub.GetRunStatus(pb.GetRunStatusRequest(), timeout=DEADLINE_SECONDS).status

    def push(self, *requests: pb.PushTrajectoriesRequest) -> list[pb.PushTrajectoriesResponse]:
        """Sends everything, half-closes, and reads all answers."""
        return list(self.stub.PushTrajectories(iter(requests), timeout=DEADLINE_SECONDS))

    def open(self, header: pb.PushTrajectoriesRequest) -> "OpenStream":
        return OpenStream(self.stub, header)

    def header(self) -> pb.PushTrajectoriesRequest:
        """A header that fits the run."""
        fingerprint = self.join().graph.fingerprint
        return pb.PushTrajectoriesRequest(
            header=pb.StreamHeader(session_id=self.session_id, graph_fingerprint=fingerprint)
        )


class OpenStream:
    """A PushTrajectories call held open."""

    def __init__(self, stub: Any, header: pb.PushTrajectoriesRequest) -> None:
        self._condition = threading.Condition()
        self._requests: list[pb.PushTrajectoriesRequest | None] = [header]
        self._call = stub.PushTrajectories(self._outgoing(), timeout=DEADLINE_SECONDS)

    def send(self, request: pb.PushTrajectoriesRequest | None) -> None:
        """Sends a message; None half-closes."""
        with self._condition:
            self._requests.append(request)
            self._condition.notify()

    def answer(self) -> pb.PushTrajectoriesResponse:
        answer: pb.PushTrajectoriesResponse = next(self._call)
        return answer

    def answer_until(self, condition: Callable[[pb.PushTrajectoriesResponse], bool]) -> pb.PushTrajectoriesResponse:
        """The first answer that fits; the call's deadline bounds the wait."""
        while not condition(answer := self.answer()):
            pass
        return answer

    def send_training(self, count: int) -> None:
        """Sends so many chunks of one episode, each after the one before is committed."""
        for sequence in range(1, count + 1):
            self.send(chunk_request(sequence, first_step=4 * (sequence - 1)))
            self.answer_until(lambda answer, sent=sequence: answer.committed_sequence == sent)  # type: ignore[misc]

    def send_until_throttled(self) -> int:
        """Sends chunks until credit ends, as it does where the trainer stands still; how many there are then."""
        answer = self.answer()
        while answer.credit > 0:
            sent = answer.committed_sequence + 1
            assert sent < 1_000, "the trainer stands still, yet credit never ends"
            self.send(chunk_request(sent, first_step=4 * (sent - 1)))
            answer = self.answer_until(lambda answer, sent=sent: answer.committed_sequence == sent)  # type: ignore[misc]
        assert answer.flow_state == status_pb2.FLOW_STATE_THROTTLED
        return answer.committed_sequence

    def cancel(self) -> None:
        self._call.cancel()
        self.send(None)

    def _outgoing(self) -> Iterator[pb.PushTrajectoriesRequest]:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: bool(self._requests), DEADLINE_SECONDS)
                request = self._requests.pop(0) if self._requests else None
            if request is None:
                return
            yield request


def chunk_request(
    sequence: int,
    *,
    length: int = 4,
    episode_id: int = 1,
    first_step: int = 0,
    ending: Ending = Ending.CONTINUES,
    purpose: Purpose = Purpose.TRAINING,
    policy_version: int = 1,
    summary: EpisodeSummary | None = None,
) -> pb.PushTrajectoriesRequest:
    """A valid chunk in the fakes' spaces."""
    if ending is not Ending.CONTINUES and summary is None:
        summary = EpisodeSummary(length=first_step + length, episode_return=float(length))
    return pb.PushTrajectoriesRequest(
        chunk=encode_chunk(
            TrajectoryChunk(
                sequence=sequence,
                episode_id=episode_id,
                first_step=first_step,
                policy_version=policy_version,
                purpose=purpose,
                observation={"observation": np.zeros((length + 1, OBSERVATION_SIZE), "f4")},
                action=np.zeros((length, ACTION_SIZE), "f4"),
                reward=np.ones(length, "f4"),
                ending=ending,
                summary=summary,
            )
        )
    )


def eventually(condition: Callable[[], bool], what: str, deadline_seconds: float = DEADLINE_SECONDS) -> None:
    """Waits until `condition` holds; fails with `what` after the deadline."""
    deadline = time.monotonic() + deadline_seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {deadline_seconds} s: {what}"
        time.sleep(0.01)
