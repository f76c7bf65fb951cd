"""Uniform batches of n-step transitions out of the replay ring."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from distrib_l2r.tensor import Array
from learner_service.replay.batch import Batch
from learner_service.replay.n_step import NStepTransitions, Rows
from learner_service.replay.ring import DEAD, ReplayRing
from learner_service.replay.sampling import Sampling

_STRIDE: Final = 32
"""Steps that `discounted_returns` walks each time it holds the ring's lock."""


class Sampler:
    """Draws transitions with equal probability and copies them out, without taking memory for it.

    For a transition at step t, with k the least of n, the steps left in its episode and the steps that have arrived:
    n_step_return = sum of discount^i * reward[t + i] for i < k, and bootstrap_discount = discount^k, or 0 where step
    t + k - 1 terminated the episode. Truncated, aborted and unfinished episodes bootstrap at their last observation.

    One thread may use a sampler. It holds the ring's lock while it draws and copies a batch.
    """

    def __init__(self, ring: ReplayRing, sampling: Sampling, *, seed: int) -> None:
        """A sampler with buffers for one batch.

        Args:
            ring: what it draws from.
            sampling: batch size, n and discount.
            seed: of its random numbers (PCG64).

        Raises:
            ValueError: a number of `sampling` is out of range.
        """
        size, steps = sampling.batch_size, sampling.n_step
        if size < 1 or steps < 1:
            raise ValueError(f"batch_size is {size} and n_step is {steps}; both must be at least 1")
        if not 0 <= sampling.discount <= 1:
            raise ValueError(f"discount is {sampling.discount}; it must lie between 0 and 1")
        self._ring = ring
        self._discount = sampling.discount
        self._generator = np.random.Generator(np.random.PCG64(seed))
        self._transitions = NStepTransitions(ring, steps, sampling.discount)
        with ring.lock:
            self._transitions.catch_up()
        self._uniform = np.empty(size, np.float64)
        # Row 0 is where each transition leads, row 1 where it is, so that one take copies both observations.
        self._rows = np.empty((2, size), np.int64)
        self._observation = _buffers(ring.observation, (2, size))
        self._privileged = _buffers(ring.privileged, (2, size))
        self._batch = Batch(
            observation={name: pair[1] for name, pair in self._observation.items()},
            privileged={name: pair[1] for name, pair in self._privileged.items()},
            action=_buffer(ring.action, (size,)),
            n_step_return=np.empty(size, np.float32),
            bootstrap_discount=np.empty(size, np.float32),
            next_observation={name: pair[0] for name, pair in self._observation.items()},
            next_privileged={name: pair[0] for name, pair in self._privileged.items()},
        )

    def sample(self) -> Batch:
        """A batch of transitions, drawn uniformly with replacement; the next call overwrites it.

        Raises:
            RuntimeError: the ring is empty.
        """
        with self._ring.lock:
            self._draw(self._rows[1], self._rows[0], self._uniform)
            return self._gather()

    def gather(self, rows: Rows) -> Batch:
        """The transitions at given rows; the next call overwrites it.

        Args:
            rows: int64 [batch_size], rows of the ring that hold transitions.
        """
        with self._ring.lock:
            self._transitions.catch_up()
            self._rows[1] = rows
            return self._gather()

    def discounted_returns(self, count: int, horizon: int) -> tuple[dict[str, Array], npt.NDArray[np.float32]]:
        """What followed transitions drawn uniformly, to calibrate the scales of observations and returns.

        A return is sum of discount^i * reward[t + i] over `horizon` steps, or fewer where the episode terminates. Both
        are sound up to discount^horizon. Where the episode was truncated or aborted or has not arrived further, k
        steps in, the sum stops there and lacks a share of about discount^k: as an estimate of the scale of
        returns it errs to the small side, the more the shorter episodes are than the horizon. Such rows are not left
        out, since then the observations were no longer uniform.

        Args:
            count: transitions to draw.
            horizon: most rewards in a sum.

        Returns:
            Each observation column [count, ...], and the returns, float32 [count]; the arrays are the caller's.

        Raises:
            RuntimeError: the ring is empty.
        """
        ring = self._ring
        rows = np.empty(count, np.int64)
        with ring.lock:
            self._draw(rows, np.empty_like(rows), np.empty(count))
            observation = {name: np.take(column, rows, axis=0) for name, column in ring.observation.items()}
            returns, rows = self._sum(rows, 0, min(_STRIDE, horizon))
            written = ring.written
        walking = np.arange(count)
        # The lock is let go every few steps: the walk is long, and chunks must not wait for it.
        for start in range(_STRIDE, horizon, _STRIDE):
            with ring.lock:
                # What was added meanwhile may have overwritten rows ahead; those walks end as if unfinished.
                intact = (rows - written) % ring.capacity >= ring.written - written
                going = intact & (ring.ending[rows] != DEAD)
                walking, rows = walking[going], rows[going]
                partial, rows = self._sum(rows, start, min(start + _STRIDE, horizon))
                written = ring.written
            returns[walking] += partial
            if not len(walking):
                break
        return observation, returns.astype(np.float32)

    def state_dict(self) -> dict[str, Any]:
        """The state of its random numbers: PCG64's, made of strings and integers."""
        return dict(self._generator.bit_generator.state)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on with the random numbers of `state`."""
        self._generator.bit_generator.state = state

    def _draw(self, rows: Rows, places: Rows, uniform: npt.NDArray[np.float64]) -> None:
        """Fills `rows` with the rows of transitions, drawn uniformly; the other arrays are memory to work in."""
        held, transitions = self._ring.transitions, self._transitions
        if held == 0:
            raise RuntimeError("replay holds no transition to sample; wait until the first chunk has been added")
        transitions.catch_up()
        self._generator.random(out=uniform)
        np.multiply(uniform, held, out=uniform)
        np.copyto(places, uniform, casting="unsafe")
        np.add(places, (transitions.end - held) % self._ring.capacity, out=places)
        transitions.rows.take(places, out=rows, mode="wrap")

    def _sum(self, rows: Rows, start: int, stop: int) -> tuple[npt.NDArray[np.float64], Rows]:
        """What steps `start` to `stop` of walks add to their returns, and the rows they reach."""
        total = np.zeros(len(rows), np.float64)
        for step in range(start, stop):
            total += self._discount**step * self._ring.reward[rows]
            rows = self._ring.successor[rows]
        return total, rows

    def _gather(self) -> Batch:
        """The transitions at row 1 of `_rows`."""
        ring, batch, transitions, (following, rows) = self._ring, self._batch, self._transitions, self._rows
        # mode="clip" lets take write into `out` without a buffer between; no row is ever out of range.
        transitions.bootstrap_row.take(rows, out=following, mode="clip")
        transitions.n_step_return.take(rows, out=batch.n_step_return, mode="clip")
        transitions.bootstrap_discount.take(rows, out=batch.bootstrap_discount, mode="clip")
        ring.action.take(rows, axis=0, out=batch.action, mode="clip")
        for columns, pairs in ((ring.observation, self._observation), (ring.privileged, self._privileged)):
            for name, column in columns.items():
                column.take(self._rows, axis=0, out=pairs[name], mode="clip")
        return batch


def _buffer(column: Array, size: tuple[int, ...]) -> Array:
    return np.empty((*size, *column.shape[1:]), column.dtype)


def _buffers(columns: Mapping[str, Array], size: tuple[int, ...]) -> dict[str, Array]:
    return {name: _buffer(column, size) for name, column in columns.items()}
