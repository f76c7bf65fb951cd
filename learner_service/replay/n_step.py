"""The transitions of the ring, and what n steps bring from each, looked up by samples."""

from typing import Final

import numpy as np
import numpy.typing as npt

from distrib_l2r.trajectory import Ending
from learner_service.replay.ring import DEAD, ReplayRing

Rows = npt.NDArray[np.int64]

_SLICE: Final = 65_536
"""Rows whose steps are walked at a time, which bounds the memory of the walk."""


class NStepTransitions:
    """Lists transitions as they arrive and walks the n steps after each once, not again for every sample of it.

    A walk that came to the end of what had arrived of its episode is open: it goes on once more has. All other walks
    are final: rows along one are overwritten after its first.

    Everything may be called and read only with the ring's lock held.

    Attributes:
        rows: int64 [capacity], the rows with transitions in the order they were written: `rows[i % capacity]` for i
            from `end - ring.transitions` up to `end`. Unlike a range of the ring's rows it has no tails in it.
        end: transitions ever listed.
        n_step_return: float32 [capacity], as `Batch.n_step_return`; of rows without a transition meaningless.
        bootstrap_discount: float32 [capacity], as `Batch.bootstrap_discount`; likewise.
        bootstrap_row: int64 [capacity], the row of the observation after the last of the steps; likewise.

    Args:
        ring: whose rows these are.
        n_step: most steps of a walk, at least 1.
        discount: a step.
    """

    def __init__(self, ring: ReplayRing, n_step: int, discount: float) -> None:
        self._ring = ring
        self._n_step = n_step
        # Zeros take memory only as rows are written.
        self.rows = np.zeros(ring.capacity, np.int64)
        self.end = 0
        self.n_step_return = np.zeros(ring.capacity, np.float32)
        self.bootstrap_discount = np.zeros(ring.capacity, np.float32)
        self.bootstrap_row = np.zeros(ring.capacity, np.int64)
        self._weights = (discount ** np.arange(n_step)).astype(np.float32)
        # Tails have reward 0 and a factor of 1, so that walks which rest there need no mask.
        self._discount_of_ending = np.full(max(Ending) + 1, discount, np.float32)
        self._discount_of_ending[DEAD] = 1
        self._discount_of_ending[Ending.TERMINATED] = 0
        self._seen = 0
        # Where walks begin that are not final; positions count all rows ever written.
        self._open = np.empty(0, np.int64)

    def catch_up(self) -> Rows | None:
        """Walks from rows added since the last call, and on from where open walks had come to.

        Returns:
            int64 [changed], the rows from which walks lead elsewhere than before; None where there is none.
        """
        ring = self._ring
        if ring.written == self._seen:
            return None
        oldest = max(0, ring.written - ring.capacity)
        waiting = self._open[self._open >= oldest]
        # An open walk rests on its chunk's tail, the row after the last step: the step leads elsewhere once more came.
        tails = self.bootstrap_row[waiting % ring.capacity]
        goes_on = ring.successor[(tails - 1) % ring.capacity] != tails
        added = np.arange(max(self._seen, oldest), ring.written)
        self._list(added % ring.capacity)
        changed = np.concatenate((waiting[goes_on], added))
        opened = [self._walk(changed[start : start + _SLICE]) for start in range(0, len(changed), _SLICE)]
        self._open = np.concatenate((waiting[~goes_on], *opened))
        self._seen = ring.written
        return changed % ring.capacity

    def _list(self, rows: Rows) -> None:
        transitions = rows[self._ring.ending[rows] != DEAD]
        self.rows[np.arange(self.end, self.end + len(transitions)) % len(self.rows)] = transitions
        self.end += len(transitions)

    def _walk(self, positions: Rows) -> Rows:
        """Walks n steps from these positions; returns those from which the walk is open."""
        ring = self._ring
        first = row = positions % ring.capacity
        total = np.zeros(len(row), np.float32)
        endings = np.empty((self._n_step, len(row)), np.uint8)
        for step, weight in enumerate(self._weights):
            # No matrix product, whose last bit depends on how many rows are walked from at once.
            total += weight * ring.reward[row]
            endings[step] = ring.ending[row]
            row = ring.successor[row]
        self.n_step_return[first] = total
        self.bootstrap_discount[first] = np.multiply.reduce(self._discount_of_ending[endings], axis=0)
        self.bootstrap_row[first] = row
        short = (endings[0] != DEAD) & (endings[-1] == DEAD)
        unfinished: Rows = positions[short & (endings.max(axis=0) == Ending.CONTINUES)]
        return unfinished
