"""The replay ring: rows in preallocated columns, the oldest overwritten first."""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import numpy as np
import xxhash

from distrib_l2r.spaces import Spaces
from distrib_l2r.tensor import Array
from distrib_l2r.trajectory import Ending, Purpose, TrajectoryChunk
from learner_service.replay.columns import ring_columns
from learner_service.replay.files import ReplayFiles
from learner_service.replay.record import ChunkRecord
from learner_service.replay.recovery import Recovered, recover

DEAD: Final = 0
"""`ending` of a row that holds no transition: a tail, or a row never written. No `Ending` has this number."""


class _OpenEpisode(NamedTuple):
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

    The rows live in memory, or in `ReplayFiles`, from which a ring goes on after its process was killed. `ending` and
    `successor` follow from the records of the chunks and are made anew then.

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

    def __init__(self, spaces: Spaces, *, capacity: int, files: ReplayFiles | None = None) -> None:
        """A ring with what `files` hold; an empty one in memory without them.

        Args:
            spaces: the run's.
            capacity: rows, tails included.
            files: in these spaces and of this capacity.

        Raises:
            ValueError: the capacity cannot hold the shortest chunk, or is not that of the files.
        """
        if capacity < 2:
            raise ValueError(f"capacity is {capacity} rows; a chunk takes at least 2: raise the capacity")
        if files is not None and files.capacity != capacity:
            raise ValueError(
                f"replay_capacity is {capacity}; the replay in {files.path} has {files.capacity} rows: give "
                f"--replay-capacity {files.capacity}, or move {files.path} away"
            )
        layout = ring_columns(spaces)
        columns: Mapping[str, Array] = (
            files.columns
            if files is not None
            else {column.name: np.zeros((capacity, *column.shape), column.dtype) for column in layout}
        )
        self.lock = threading.Lock()
        self.observation: Mapping[str, Array] = {name: columns[f"observation/{name}"] for name in spaces.observation}
        self.privileged: Mapping[str, Array] = {name: columns[f"privileged/{name}"] for name in spaces.privileged}
        self.action = columns["action"]
        self.reward = columns["reward"]
        # Zeros take memory only as rows are written.
        self.ending = np.zeros(capacity, np.uint8)
        self.successor = np.zeros(capacity, np.int64)
        self._targets = [columns[column.name] for column in layout]
        self._capacity = capacity
        self._files = files
        self._serial = self._written = self._inserted = self._held = 0
        # In the order of their positions, so that the overwritten ones come first.
        self._open: OrderedDict[tuple[int, int], _OpenEpisode] = OrderedDict()
        self.recovered = Recovered() if files is None else recover(files)
        self._take_up(self.recovered)

    @property
    def capacity(self) -> int:
        """Rows, tails included."""
        return self._capacity

    @property
    def written(self) -> int:
        """Rows ever written, tails included; the next goes to row `written % capacity`."""
        return self._written

    @property
    def inserted(self) -> int:
        """Transitions ever added."""
        return self._inserted

    @property
    def transitions(self) -> int:
        """Transitions held now."""
        return self._held

    def add(self, session: int, chunk: TrajectoryChunk) -> None:
        """Copies a chunk in, over the oldest rows where the ring is full, and commits it.

        Args:
            session: number of the worker process that drove it.
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
            self._add(session, chunk)

    def forget(self, session: int) -> None:
        """Closes the open episodes of a session that left; its transitions stay."""
        with self.lock:
            for key in [key for key in self._open if key[0] == session]:
                del self._open[key]

    def _add(self, session: int, chunk: TrajectoryChunk) -> None:
        record = ChunkRecord(
            serial=self._serial + 1,
            position=self._written,
            inserted=self._inserted + chunk.length,
            session=session,
            sequence=chunk.sequence,
            episode_id=chunk.episode_id,
            first_step=chunk.first_step,
            policy_version=chunk.policy_version,
            length=chunk.length,
            ending=chunk.ending,
        )
        row = record.position % self._capacity
        # The old rows die first and the counters follow the data, so that a chunk broken off at any point leaves
        # neither a half-written transition nor a link to one.
        if self._files is not None:
            self._files.reserve(record.end)
        self._bury(row, chunk.length + 1)
        values = [np.ascontiguousarray(column) for column in self._values(chunk)]
        for column, rows in zip(self._targets, values, strict=True):
            _put(column, row, rows)
        if self._files is not None:
            self._files.commit(record, [xxhash.xxh3_64_intdigest(rows.data) for rows in values])
        self._count(record)
        self._join(record)

    def _values(self, chunk: TrajectoryChunk) -> Iterator[Array]:
        """What a chunk brings, in the order of the layout."""
        yield from (chunk.observation[name] for name in self.observation)
        yield from (chunk.privileged[name] for name in self.privileged)
        yield chunk.action
        yield chunk.reward

    def _bury(self, row: int, count: int) -> None:
        for rows in self._slices(row, count):
            self._held -= int(np.count_nonzero(self.ending[rows]))
            self.ending[rows] = DEAD

    def _slices(self, row: int, count: int) -> Iterator[slice]:
        """So many consecutive rows from `row` on, going on at row 0 past the end."""
        end = row + count
        yield slice(row, min(end, self._capacity))
        if end > self._capacity:
            yield slice(0, end - self._capacity)

    def _take_up(self, recovered: Recovered) -> None:
        """Goes on from what files hold."""
        for record in recovered.records:
            self._join(record)
            self._held += record.length
        newest = recovered.newest
        if newest is not None:
            self._serial, self._written, self._inserted = newest.serial, newest.end, newest.inserted
            self._drop_overwritten(self._written - self._capacity)

    def _count(self, record: ChunkRecord) -> None:
        self._serial, self._written, self._inserted = record.serial, record.end, record.inserted
        self._held += record.length

    def _join(self, record: ChunkRecord) -> None:
        """Makes a chunk's rows transitions, links them to its predecessor, and remembers it while it continues."""
        position, length, capacity = record.position, record.length, self._capacity
        row, newest, tail = (at % capacity for at in (position, record.end - 2, record.end - 1))
        successor = np.arange(row + 1, row + length + 1)
        if tail < row:
            successor %= capacity
        _put(self.successor, row, successor)
        self.successor[tail] = tail
        self.reward[tail] = 0
        for rows in self._slices(row, length):
            self.ending[rows] = Ending.CONTINUES
        self.ending[newest] = record.ending
        oldest = record.end - capacity
        key = (record.session, record.episode_id)
        previous = self._open.pop(key, None)
        # The new chunk itself may have overwritten its predecessor, whose row is then somebody else's.
        if previous is not None and previous.next_step == record.first_step and previous.position >= oldest:
            self.successor[previous.position % capacity] = row
        if record.ending == Ending.CONTINUES:
            self._open[key] = _OpenEpisode(position + length - 1, record.first_step + length)
        self._drop_overwritten(oldest)

    def _drop_overwritten(self, oldest: int) -> None:
        while self._open and next(iter(self._open.values())).position < oldest:
            self._open.popitem(last=False)


def _put(column: Array, row: int, values: Array) -> None:
    """Copies `values` into consecutive rows from `row` on, going on at row 0 past the end."""
    end = row + len(values)
    if end <= len(column):
        column[row:end] = values
    else:
        before_end = len(column) - row
        column[row:] = values[:before_end]
        column[: end - len(column)] = values[before_end:]
