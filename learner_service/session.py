"""A session: what the learner knows of one worker process."""

import asyncio
import time
from dataclasses import dataclass, field

from distrib_l2r.trajectory import Ending, TrajectoryChunk
from distrib_l2r.v1 import join_pb2, status_pb2


@dataclass(eq=False)
class Stream:
    """One open PushTrajectories call."""

    granted_sequence: int
    """Highest sequence any acknowledgement allowed."""
    acknowledgement_due: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by whatever the worker should hear of."""
    replaced: bool = False
    """Whether a newer stream of the session took over."""


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
    stream: Stream | None = None

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
            abort_reason=self.abort_reason,
            simulator_restarts=self.simulator_restarts,
        )
