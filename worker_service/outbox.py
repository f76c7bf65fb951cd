"""The outbox: chunks that the learner has not acknowledged, in order."""

import threading
from collections import deque
from collections.abc import Callable

from distrib_l2r.v1 import trajectory_pb2


class Outbox:
    """Bounded; drops nothing. The rollout puts, the client sends and lets go. Thread-safe.

    Args:
        capacity: most chunks kept.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._condition = threading.Condition()
        self._chunks: deque[trajectory_pb2.TrajectoryChunk] = deque()
        self._acknowledged_sequence = 0
        self.on_put: Callable[[], None] = lambda: None

    def put(
        self, chunk: trajectory_pb2.TrajectoryChunk, timeout_seconds: float, *, beyond_capacity: bool = False
    ) -> bool:
        """Numbers a chunk and keeps it; False when there was no room within the time.

        Args:
            chunk: belongs to the outbox from then on.
            timeout_seconds: to wait for room.
            beyond_capacity: keep it even without room: for the last chunks of a worker that is leaving.
        """
        with self._condition:
            if not beyond_capacity and not self._condition.wait_for(
                lambda: len(self._chunks) < self.capacity, timeout_seconds
            ):
                return False
            chunk.sequence = self._acknowledged_sequence + len(self._chunks) + 1
            self._chunks.append(chunk)
        self.on_put()
        return True

    def find(self, sequence: int) -> trajectory_pb2.TrajectoryChunk | None:
        """The chunk with this sequence, if it is here."""
        with self._condition:
            index = sequence - self._acknowledged_sequence - 1
            return self._chunks[index] if 0 <= index < len(self._chunks) else None

    def acknowledge(self, sequence: int) -> None:
        """Lets go of all chunks up to this sequence.

        Raises:
            ValueError: no chunk has had this sequence yet; nothing was let go of.
        """
        with self._condition:
            newest = self._acknowledged_sequence + len(self._chunks)
            if sequence > newest:
                raise ValueError(f"sequence is {sequence}; the newest chunk put here is {newest}")
            while self._acknowledged_sequence < sequence:
                self._chunks.popleft()
                self._acknowledged_sequence += 1
            self._condition.notify_all()

    def restart(self) -> None:
        """Numbers what is here from 1, for a new session; none may be on its way under its old number."""
        with self._condition:
            self._acknowledged_sequence = 0
            for sequence, chunk in enumerate(self._chunks, start=1):
                chunk.sequence = sequence

    def wait_empty(self, timeout_seconds: float) -> bool:
        """Waits until all is acknowledged; False when it was not in time."""
        with self._condition:
            return self._condition.wait_for(lambda: not self._chunks, timeout_seconds)

    @property
    def newest_sequence(self) -> int:
        """Of the newest chunk put."""
        with self._condition:
            return self._acknowledged_sequence + len(self._chunks)

    @property
    def acknowledged_sequence(self) -> int:
        """The highest sequence let go of."""
        return self._acknowledged_sequence

    @property
    def size_bytes(self) -> int:
        """Of all chunks here, as messages."""
        with self._condition:
            return sum(chunk.ByteSize() for chunk in self._chunks)

    def __len__(self) -> int:
        return len(self._chunks)
