"""Credit: how many chunks each stream may have in flight, and why not more."""

import math
from collections.abc import Mapping
from typing import Final, NamedTuple

from distrib_l2r.spaces import Box, Spaces
from learner_service.replay.flow import FlowState
from learner_service.replay.samples_per_insert import UNLIMITED, SamplesPerInsert

DEFAULT_MAX_IN_FLIGHT_BYTES: Final = 256 * 1024 * 1024
"""All streams together."""

IN_FLIGHT_SHARE_OF_REPLAY: Final = 1 / 8
"""A burst of all chunks in flight replaces at most this much of replay: what it pushes out was sampled for as long as
the other seven eighths took to come in."""

MOST_LEAVING_CHUNKS: Final = 256
"""For which a leaving worker gets credit although samples per insert withhold it: more than any worker's buffer holds
unless told to."""

ROW_REWARD_BYTES: Final = 4


class Credit(NamedTuple):
    """What one stream may do."""

    chunks: int
    """Chunks in flight beyond the last one committed."""
    detail: str
    """One sentence with the numbers that withhold credit; empty while none is withheld."""


def chunk_bytes(spaces: Spaces, chunk_length: int) -> int:
    """Bytes of the columns of a chunk of `chunk_length` steps; names and numbers around them take a few hundred more.

    Observations have one row more than actions and rewards.
    """
    by_row = _row_bytes(spaces.observation) + _row_bytes(spaces.privileged)
    by_step = _row_bytes({"action": spaces.action}) + ROW_REWARD_BYTES
    return by_row * (chunk_length + 1) + by_step * chunk_length


class InFlightLimit:
    """The most chunks in flight, shared evenly by the open streams.

    Three limits hold at once, and the tightest one is named:

    - samples per insert: what the trainer's progress lets collecting workers add, nothing while they are throttled;
    - replay: `IN_FLIGHT_SHARE_OF_REPLAY` of its rows, shared by collecting streams;
    - memory: `max_in_flight_bytes`, shared by all streams, since evaluators' chunks take memory as well.

    Shares are rounded up to a chunk for samples per insert, whose next answer corrects it, and down for the other two,
    yet never below one chunk: with more streams than chunks fit, what is in flight is one chunk each. A stream that
    opens lessens the shares of the others from their next acknowledgement on; until then they may use what they were
    granted.

    Not thread-safe: it lives on the server's event loop. Every call takes constant time.
    """

    def __init__(
        self,
        limiter: SamplesPerInsert,
        spaces: Spaces,
        *,
        chunk_length: int,
        max_in_flight_chunks: int,
        replay_capacity: int,
        max_in_flight_bytes: int = DEFAULT_MAX_IN_FLIGHT_BYTES,
    ) -> None:
        """Limits of a run without streams.

        Args:
            limiter: asked anew for each answer.
            spaces: the run's.
            chunk_length: most steps in a chunk.
            max_in_flight_chunks: most chunks in flight a stream.
            replay_capacity: rows; a chunk takes its steps and one more.
            max_in_flight_bytes: over all streams.

        Raises:
            ValueError: a number is below 1.
        """
        for name, value in (
            ("chunk_length", chunk_length),
            ("max_in_flight_chunks", max_in_flight_chunks),
            ("replay_capacity", replay_capacity),
            ("max_in_flight_bytes", max_in_flight_bytes),
        ):
            if value < 1:
                raise ValueError(f"{name} is {value}; it must be at least 1")
        self._limiter = limiter
        self._chunk_length = chunk_length
        self._most = max_in_flight_chunks
        self._max_bytes = max_in_flight_bytes
        self._chunk_bytes = chunk_bytes(spaces, chunk_length)
        self._chunks_in_memory = max_in_flight_bytes // self._chunk_bytes
        self._rows = int(replay_capacity * IN_FLIGHT_SHARE_OF_REPLAY)
        self._replay_capacity = replay_capacity
        self._collecting = self._evaluating = 0

    @property
    def chunk_bytes(self) -> int:
        """Bytes of a full chunk's columns."""
        return self._chunk_bytes

    @property
    def collecting(self) -> int:
        """Open streams that collect."""
        return self._collecting

    @property
    def evaluating(self) -> int:
        """Open streams that evaluate."""
        return self._evaluating

    def open(self, *, evaluates: bool) -> None:
        """A stream opened."""
        self._count(evaluates, 1)

    def close(self, *, evaluates: bool) -> None:
        """A stream that was opened ended.

        Raises:
            RuntimeError: no such stream is open.
        """
        if (self._evaluating if evaluates else self._collecting) < 1:
            kind = "evaluating" if evaluates else "collecting"
            raise RuntimeError(f"a stream closed while 0 {kind} ones are open; each closes once, after it opened")
        self._count(evaluates, -1)

    def credit(self, *, evaluates: bool) -> Credit:
        """What a stream may have in flight now; one not opened yet is answered as if it alone shared."""
        memory = self._share(self._chunks_in_memory, self._collecting + self._evaluating)
        if evaluates:
            return self._credit(memory, memory, UNLIMITED, UNLIMITED)
        replay = self._share(self._rows // (self._chunk_length + 1), self._collecting)
        allowance = self._limiter.allowance()
        # Rounded up: a whole chunk is the least that can be sent, and the next acknowledgement corrects it.
        samples = -(-allowance // (self._chunk_length * max(self._collecting, 1)))
        return self._credit(min(memory, replay, samples), memory, replay, allowance)

    @property
    def leaving_chunks(self) -> int:
        """Most chunks that one leaving worker may hand over."""
        return max(1, min(MOST_LEAVING_CHUNKS, self._rows // (self._chunk_length + 1)))

    def leaving_credit(self, held: int) -> Credit:
        """What a stream whose worker is leaving may have in flight now, at most `held` chunks.

        Samples per insert withhold nothing from it, until leavers have added as much as may be in flight beyond the
        point where workers are throttled: then clients that join and leave over and over wait like everybody else.
        """
        memory = self._share(self._chunks_in_memory, self._collecting + self._evaluating)
        beyond = self._limiter.beyond_slack()
        chunks = min(self._most, memory, max(held, 0), max(self._rows - beyond, 0) // self._chunk_length)
        if chunks == 0 and held > 0:
            return Credit(
                0,
                f"workers that leave have brought {beyond} transitions beyond the minimum of samples per insert; "
                f"{self._rows} may be",
            )
        return Credit(chunks, "")

    def _credit(self, chunks: int, memory: int, replay: int, allowance: int) -> Credit:
        if chunks >= self._most:
            return Credit(self._most, "")
        if chunks == 0:
            flow = self._limiter.flow()
            # Looked at later than the allowance: updates may have ended the throttling since.
            if flow.state is FlowState.THROTTLED:
                return Credit(0, flow.detail)
        if chunks == memory:
            reason = (
                f"{self._max_bytes} bytes may be in flight in chunks of {self._chunk_bytes}, shared by "
                f"{self._collecting + self._evaluating} streams; more memory (max_in_flight_bytes) would help"
            )
        elif chunks == replay:
            reason = (
                f"{self._rows} of replay's {self._replay_capacity} rows may be in flight in chunks of "
                f"{self._chunk_length + 1}, shared by {self._collecting} collecting streams; "
                "a larger replay_capacity would help"
            )
        else:
            reason = (
                f"the minimum of samples per insert allows {allowance} transitions more in chunks of "
                f"{self._chunk_length}, shared by {self._collecting} collecting streams"
            )
        return Credit(chunks, f"credit is {chunks} of {self._most} chunks: {reason}")

    def _count(self, evaluates: bool, change: int) -> None:
        if evaluates:
            self._evaluating += change
        else:
            self._collecting += change

    @staticmethod
    def _share(chunks: int, streams: int) -> int:
        return max(1, chunks // max(streams, 1))


def _row_bytes(boxes: Mapping[str, Box]) -> int:
    return sum(math.prod(box.shape) * box.dtype.itemsize for box in boxes.values())
