"""Drawing: uniformity, reproducibility, and walks that chunks interrupt."""

import threading
import tracemalloc
from collections.abc import Callable
from typing import cast

import numpy as np
import pytest

from distrib_l2r.trajectory import Ending
from learner_service.replay.ring import ReplayRing
from tests.replay.builders import SPACES, marked_chunk, plain_chunk, sampler_of, transition_rows


@pytest.mark.parametrize(
    ("batch_size", "n_step", "discount", "message"),
    [
        (0, 1, 0.9, "batch_size is 0 and n_step is 1; both must be at least 1"),
        (1, 0, 0.9, "batch_size is 1 and n_step is 0; both must be at least 1"),
        (1, 1, 1.5, "discount is 1.5; it must lie between 0 and 1"),
    ],
)
def test_sampler_refuses_settings_out_of_range(batch_size: int, n_step: int, discount: float, message: str) -> None:
    ring = ReplayRing(SPACES, capacity=8)
    with pytest.raises(ValueError, match=message):
        sampler_of(ring, batch_size=batch_size, n_step=n_step, discount=discount)


def test_sampling_an_empty_ring_says_so() -> None:
    sampler = sampler_of(ReplayRing(SPACES, capacity=8), batch_size=1)
    with pytest.raises(RuntimeError, match="no transition to sample"):
        sampler.sample()
    with pytest.raises(RuntimeError, match="no transition to sample"):
        sampler.discounted_returns(1, 1)


@pytest.mark.parametrize("added", [60, 400], ids=["part of the ring", "over the ring's end"])
def test_every_transition_is_drawn_equally_often(added: int) -> None:
    # Chunks of 1 to 4 steps: between a fifth and half of the rows are tails.
    ring = ReplayRing(SPACES, capacity=300)
    for mark in range(0, 5 * added, 5):
        length = 1 + mark % 4
        ring.add(1, marked_chunk(mark + np.arange(length + 1), np.zeros(length), episode_id=mark))
    held = ring.observation["pose"][transition_rows(ring), 0]
    sampler = sampler_of(ring, batch_size=997)
    drawn: dict[float, int] = dict.fromkeys(held.tolist(), 0)
    for _ in range(300):
        marks, counts = np.unique(sampler.sample().observation["pose"][:, 0], return_counts=True)
        for mark, count in zip(marks.tolist(), counts.tolist(), strict=True):
            drawn[mark] += count
    assert len(drawn) == ring.transitions
    counts = np.array(list(drawn.values()))
    expected = 300 * 997 / ring.transitions
    degrees = ring.transitions - 1
    chi_square = float(((counts - expected) ** 2 / expected).sum())
    # Five standard deviations to either side: too even would be as wrong as too uneven.
    assert abs(chi_square - degrees) < 5 * np.sqrt(2 * degrees)


def test_a_ring_of_mostly_tails_is_sampled_all_the_same() -> None:
    ring = ReplayRing(SPACES, capacity=3)
    ring.add(1, plain_chunk(1, episode_id=1))
    ring.add(1, marked_chunk([7, 8], [1], episode_id=2))
    assert ring.transitions == 1
    assert (sampler_of(ring, batch_size=500).sample().observation["pose"][:, 0] == 7).all()


@pytest.mark.parametrize("n_step", [1, 5])
def test_sampling_takes_no_memory_however_often(n_step: int) -> None:
    ring = ReplayRing(SPACES, capacity=4000)
    for episode in range(40):
        ring.add(1, plain_chunk(64, episode_id=episode))
    sampler = sampler_of(ring, batch_size=1024, n_step=n_step)
    sampler.sample()
    tracemalloc.start()
    try:
        sampler.sample()
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        for _ in range(20):
            sampler.sample()
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # A few Python objects come and go; one byte a transition would be 1024.
    assert peak - before < 1024
    assert after - before < 256


def test_samples_follow_a_ring_that_goes_on() -> None:
    ring = ReplayRing(SPACES, capacity=100)
    sampler = sampler_of(ring, batch_size=2000, n_step=3, discount=1.0)
    for turn in range(40):
        first = 10 * turn
        ring.add(1, marked_chunk(first + np.arange(11), np.arange(first, first + 10), first_step=first))
        batch = sampler.sample()
        mark = batch.observation["pose"][:, 0]
        assert set(mark.tolist()) == set(ring.observation["pose"][transition_rows(ring), 0].tolist())
        steps = np.minimum(first + 10 - mark, 3)
        np.testing.assert_array_equal(batch.next_observation["pose"][:, 0], mark + steps)
        np.testing.assert_array_equal(batch.n_step_return, steps * mark + steps * (steps - 1) / 2)


def test_batches_have_the_stored_shapes_and_dtypes() -> None:
    ring = ReplayRing(SPACES, capacity=30)
    ring.add(1, plain_chunk(20))
    batch = sampler_of(ring, batch_size=4, n_step=3).sample()
    for columns in (batch.observation, batch.next_observation):
        assert {name: (column.shape, column.dtype) for name, column in columns.items()} == {
            name: ((4, *box.shape), box.dtype) for name, box in SPACES.observation.items()
        }
    assert batch.privileged["grip"].dtype == batch.next_privileged["grip"].dtype == np.float64
    assert batch.action.shape == (4, 1)
    assert batch.n_step_return.shape == batch.bootstrap_discount.shape == (4,)
    for array in (batch.action, batch.n_step_return, batch.bootstrap_discount):
        assert array.dtype == np.float32


def test_a_restored_sampler_goes_on_with_the_same_draws() -> None:
    ring = ReplayRing(SPACES, capacity=300)
    ring.add(1, marked_chunk(np.arange(200), np.zeros(199)))
    sampler, restored = (sampler_of(ring, batch_size=16, seed=seed) for seed in (1, 2))
    first = sampler.sample().observation["pose"].copy()
    assert not np.array_equal(first, restored.sample().observation["pose"])
    state = sampler.state_dict()
    expected = sampler.sample().observation["pose"].copy()
    assert not np.array_equal(first, expected)
    restored.load_state_dict(state)
    np.testing.assert_array_equal(restored.sample().observation["pose"], expected)


def test_discounted_returns_of_ended_episodes_stop_where_those_end() -> None:
    ring = ReplayRing(SPACES, capacity=300)
    ring.add(1, marked_chunk(np.arange(101), np.ones(100), ending=Ending.TERMINATED))
    observation, returns = sampler_of(ring, batch_size=1, discount=1.0).discounted_returns(200, horizon=40)
    np.testing.assert_array_equal(returns, np.minimum(100 - observation["pose"][:, 0], 40))


def test_discounted_returns_never_run_into_rows_added_during_the_walk() -> None:
    ring = ReplayRing(SPACES, capacity=400)
    for first_step in range(0, 360, 40):
        ring.add(1, marked_chunk(first_step + np.arange(41), np.ones(40), first_step=first_step))
    added = 0

    def add_foreign_rewards() -> None:
        nonlocal added
        if added:
            ring.add(2, marked_chunk(np.zeros(61), np.full(60, 1e6), episode_id=added))
        added += 1

    sampler = sampler_of(ring, batch_size=1, discount=1.0)
    ring.lock = cast("threading.Lock", _InterruptedLock(add_foreign_rewards))
    observation, returns = sampler.discounted_returns(500, horizon=400)
    left = 360 - observation["pose"][:, 0]
    assert added > 5
    assert (returns >= 1).all()
    assert (returns <= left).all()
    # Interrupted walks keep their partial sums; the youngest rows were never in danger.
    assert (returns < left).any()
    np.testing.assert_array_equal(returns[left < 60], left[left < 60])


class _InterruptedLock:
    """Lets something happen each time just before it is taken, unless the lock is taken for that."""

    def __init__(self, interruption: Callable[[], None]) -> None:
        self._interruption = interruption
        self._interrupted = False

    def __enter__(self) -> None:
        if not self._interrupted:
            self._interrupted = True
            self._interruption()
            self._interrupted = False

    def __exit__(self, *exception: object) -> None:
        pass
