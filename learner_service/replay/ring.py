"""The replay ring: rows in preallocated columns, the oldest overwritten first."""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from distrib_l2r.spaces import Spaces
from distrib_l2r.tensor import Array
from distrib_l2r.trajectory import Ending, Purpose, TrajectoryChunk
from learner_service.replay.columns import Column, allocate, ring_columns

DEAD: Final = 0
"""`ending` of a row that holds no transition: a tail, or a row never written. No `Ending` has this number."""

_COUNTERS: Final = Column(name="counters", shape=(3,), dtype=np.dtype(np.int64))
_WRITTEN, _INSERTED, _HELD = range(3)


@dataclass(frozen=True, slots=True)
class _OpenEpisode:
    position: int
    """Of the newest transition: rows written before it, so `position % capacity` is its row."""
    next_step: int
    """The first_step that continues the episode."""


class ReplayRing:
    """Transitions of many interleaved episodes; every observation is stored once.

    A chunk of T steps takes T + 1 consecutive rows, modulo the capacity: T transitions, then a tail that holds only
    the last observation. `successor` leads from a transition to the row of the observation that followed. From a
    chunk's last step this is the tail until the chunk arrives that continues the episode; then it is that chunk's first
    row, whose observation is the same, and chains run on across chunks. Where a chunk does not continue what came
    before, the chain ends at the tail. Successors are always written after their predecessors and therefore
    overwritten after them: no chain ever leads into newer, unrelated rows.

    Tails are their own successors and have reward 0, so that a walk of fixed length rests there.

    Threads: one lock guards all. `add` holds it for the copy of one chunk, a sampler for drawing and copying one
    batch; nothing waits for anything else while holding it. The columns may only be read with `lock` held.

    Attributes:
        lock: guards every column and counter.
        observation: each column [capacity, ...] in its box's shape and dtype.
        privileged: likewise.
        action: [capacity, ...]; meaningless in tails.
        reward: float32 [capacity]; 0 in tails.
        ending: uint8 [capacity]; an `Ending`, or DEAD.
        successor: int64 [capacity]; a row.
    """

    def __init__(self, spaces: Spaces, *, capacity: int) -> None:
        """An empty ring.

        Args:
            spaces: the run's.
            capacity: rows, tails included.

        Raises:
            ValueError: the capacity cannot hold the shortest chunk.
        """
        if capacity < 2:
            raise ValueError(f"capacity is {capacity} rows; a chunk takes at least 2: raise the capacity")
        columns = {column.name: allocate(column) for column in ring_columns(spaces, capacity)}
        self.lock = threading.Lock()
        self.observation: Mapping[str, Array] = {name: columns[f"observation/{name}"] for name in spaces.observation}
        self.privileged: Mapping[str, Array] = {name: columns[f"privileged/{name}"] for name in spaces.privileged}
        self.action = columns["action"]
        self.reward = columns["reward"]
        self.ending = columns["ending"]
        self.successor = columns["successor"]
        self._capacity = capacity
        self._counters = allocate(_COUNTERS)
        # In the order of their positions, so that the overwritten ones come first.
        self._open: OrderedDict[tuple[str, int], _OpenEpisode] = OrderedDict()

    @property
    def capacity(self) -> int:
        """Rows, tails included."""
        return self._capacity

    @property
    def written(self) -> int:
        """Rows ever written, tails included; the next goes to row `written % capacity`."""
        return int(self._counters[_WRITTEN])

    @property
    def inserted(self) -> int:
        """Transitions ever added."""
        return int(self._counters[_INSERTED])

    @property
    def transitions(self) -> int:
        """Transitions held now."""
        return int(self._counters[_HELD])

    def add(self, session_id: str, chunk: TrajectoryChunk) -> None:
        """Copies a chunk in, over the oldest rows where the ring is full.

        Args:
            session_id: the worker process that drove it.
            chunk: a training chunk in the ring's spaces, as `decode_chunk` checks.

        Raises:
            ValueError: the chunk is not for training, or takes more rows than the ring has; nothing was stored.
        """
        if chunk.purpose is not Purpose.TRAINING:
            raise ValueError(f"chunk.purpose is {chunk.purpose.name}; only TRAINING chunks enter replay")
        rows = chunk.length + 1
        if rows > self._capacity:
            raise ValueError(
                f"chunk has {chunk.length} steps and takes {rows} rows; replay has {self._capacity}: "
                "raise its capacity or shorten the chunks"
            )
        with self.lock:
            self._add(session_id, chunk)

    def forget(self, session_id: str) -> None:
        """Closes the open episodes of a session that left; its transitions stay."""
        with self.lock:
            for key in [key for key in self._open if key[0] == session_id]:
                del self._open[key]

    def _add(self, session_id: str, chunk: TrajectoryChunk) -> None:
        written, length = self.written, chunk.length
        row = written % self._capacity
        # The old rows die first and the counters follow the data, so that a chunk broken off at any point leaves
        # neither a half-written transition nor a link to one.
        self._bury(row, length + 1)
        for name, column in self.observation.items():
            _put(column, row, chunk.observation[name])
        for name, column in self.privileged.items():
            _put(column, row, chunk.privileged[name])
        _put(self.action, row, chunk.action)
        _put(self.reward, row, np.append(chunk.reward, np.float32(0)))
        successor = np.arange(row + 1, row + length + 2)
        successor[-1] -= 1
        _put(self.successor, row, successor % self._capacity)
        ending = np.full(length, Ending.CONTINUES, np.uint8)
        ending[-1] = chunk.ending
        _put(self.ending, row, ending)
        self._counters[_HELD] += length
        self._counters[_INSERTED] += length
        self._counters[_WRITTEN] = written + length + 1
        self._link(session_id, chunk, written)

    def _bury(self, row: int, count: int) -> None:
        for rows in (slice(row, row + count), slice(0, max(0, row + count - self._capacity))):
            self._counters[_HELD] -= np.count_nonzero(self.ending[rows])
            self.ending[rows] = DEAD

    def _link(self, session_id: str, chunk: TrajectoryChunk, position: int) -> None:
        """Joins a chunk at `position` to its predecessor, and remembers it while its episode continues."""
        oldest = self.written - self._capacity
        key = (session_id, chunk.episode_id)
        previous = self._open.pop(key, None)
        # The new chunk itself may have overwritten its predecessor, whose row is then somebody else's.
        if previous is not None and previous.next_step == chunk.first_step and previous.position >= oldest:
            self.successor[previous.position % self._capacity] = position % self._capacity
        if chunk.ending is Ending.CONTINUES:
            next_step = chunk.first_step + chunk.length
            self._open[key] = _OpenEpisode(position + chunk.length - 1, next_step)
        while self._open and next(iter(self._open.values())).position < oldest:
            self._open.popitem(last=False)


def _put(column: Array, row: int, values: Array) -> None:
    """Copies `values` into consecutive rows from `row` on, going on at row 0 past the end."""
    before_end = min(len(values), len(column) - row)
    column[row : row + before_end] = values[:before_end]
    column[: len(values) - before_end] = values[before_end:]
