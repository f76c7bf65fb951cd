"""A session: what the learner knows of one worker process."""

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Optional

from distrib_l2r.trajectory import Ending, TrajectoryChunk
from distrib_l2r.v1 import join_pb2, status_pb2
from learner_service.replay.record import ChunkRecord

if TYPE_CHECKING:
    from learner_service.push_stream import PushStream


@dataclass(eq=False)
class Session:
    """One worker process. Only the server's event loop touches it."""

    session_id: str
    worker_name: str
    assignment: join_pb2.Assignment
    committed_sequence: int = 0
    transitions: int = 0
    episodes: int = 0
    aborted_episodes: int = 0
    abort_reason: str = ""
    simulator_restarts: int = 0
    policy_version: int = 0
    heard_at: float = field(default_factory=time.monotonic)
    stream: Optional["PushStream"] = None
    credit: int = 0
    waiting_since: float | None = None
    """Since when its credit is 0, monotonic; None while it has some."""
    leaves_after: int | None = None
    """The last sequence it gets credit for, once it announced its leaving."""

    @property
    def number(self) -> int:
        """Counts the run's sessions from 1; unlike an id it fits into a word."""
        return self.assignment.index + 1

    @property
    def evaluates(self) -> bool:
        """Whether it evaluates rather than collects."""
        return self.assignment.role == join_pb2.ROLE_EVALUATE

    def count(self, chunk: TrajectoryChunk) -> None:
        """Takes a committed chunk into the figures."""
        self.committed_sequence = chunk.sequence
        self.transitions += chunk.length
        self.policy_version = chunk.policy_version
        self.simulator_restarts = chunk.simulator_restarts
        if chunk.ending is not Ending.CONTINUES:
            self.episodes += 1
            if chunk.ending is Ending.ABORTED:
                self.aborted_episodes += 1
                self.abort_reason = chunk.summary.abort_reason if chunk.summary else ""

    def count_recovered(self, record: ChunkRecord) -> None:
        """Takes in a chunk that replay holds and whose commit this session had not noted when its learner died."""
        if record.sequence > self.committed_sequence:
            self.committed_sequence = record.sequence
            self.transitions += record.length
            self.episodes += record.ending != Ending.CONTINUES
            self.aborted_episodes += record.ending == Ending.ABORTED

    def grant(self, credit: int) -> None:
        """Notes the credit of an acknowledgement."""
        self.credit = credit
        if credit:
            self.waiting_since = None
        elif self.waiting_since is None:
            self.waiting_since = time.monotonic()

    def leave(self, last_sequence: int, most_chunks: int) -> None:
        """The worker leaves after this sequence, or after so many chunks; the first announcement counts."""
        if self.leaves_after is None:
            self.leaves_after = min(last_sequence, self.committed_sequence + most_chunks)

    def status(self) -> status_pb2.WorkerStatus:
        """For `GetRunStatus`."""
        return status_pb2.WorkerStatus(
            name=self.worker_name,
            session_id=self.session_id,
            role=self.assignment.role,
            connected=self.stream is not None,
            idle_seconds=time.monotonic() - self.heard_at,
            committed_sequence=self.committed_sequence,
            transitions=self.transitions,
            episodes=self.episodes,
            aborted_episodes=self.aborted_episodes,
            policy_version=self.policy_version,
            credit=self.credit if self.stream is not None else 0,
            waiting_seconds=time.monotonic() - self.waiting_since
            if self.stream is not None and self.waiting_since is not None
            else 0.0,
            abort_reason=self.abort_reason,
            simulator_restarts=self.simulator_restarts,
        )
