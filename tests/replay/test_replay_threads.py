"""One thread adds while another samples: no transition may mix two steps."""

import threading
import time

import numpy as np
import numpy.typing as npt
import pytest

from distrib_l2r.spaces import Box, Spaces
from distrib_l2r.tensor import Array
from distrib_l2r.trajectory import Ending, Purpose, TrajectoryChunk
from learner_service.replay.batch import Batch
from learner_service.replay.ring import ReplayRing
from tests.replay.builders import sampler_of

N_STEP, DISCOUNT, BATCHES, DEADLINE_SECONDS = 4, 0.5, 60, 60.0
# (session, episode, step, length of the episode) in every one of 16 quadruples: a torn copy shows.
SPACES = Spaces(
    observation={"where": Box(low=np.full((16, 4), -np.inf), high=np.full((16, 4), np.inf))},
    action=Box(low=np.full(1, -1, np.float32), high=np.full(1, 1, np.float32)),
)


@pytest.mark.slow
def test_sampled_transitions_are_whole_while_chunks_are_added() -> None:
    ring = ReplayRing(SPACES, capacity=701)
    failures: list[BaseException] = []
    stop, filled = threading.Event(), threading.Event()

    def add() -> None:
        try:
            _drive(ring, stop, filled)
        except BaseException as failure:
            failures.append(failure)
            filled.set()

    adder = threading.Thread(target=add)
    adder.start()
    try:
        assert filled.wait(20)
        sampler = sampler_of(ring, batch_size=128, n_step=N_STEP, discount=DISCOUNT)
        batches, until = 0, time.monotonic() + DEADLINE_SECONDS
        enough = ring.inserted + 2 * ring.capacity
        # Which thread gets the lock how often is the machine's affair: both must have had enough turns.
        while batches < BATCHES or ring.inserted < enough:
            assert time.monotonic() < until, f"{batches} batches, {enough - ring.inserted} transitions to go"
            _check(sampler.sample())
            batches += 1
            if batches % 20 == 0:
                _check_returns(*sampler.discounted_returns(32, 64))
    finally:
        stop.set()
        adder.join(20)
    assert not failures


def _drive(ring: ReplayRing, stop: threading.Event, filled: threading.Event) -> None:
    """Three sessions drive episodes of 5 to 60 steps in chunks of 1 to 9, by turns."""
    random = np.random.default_rng(0)
    driven = [[session, 0, 0, int(random.integers(5, 61))] for session in range(3)]
    while not stop.is_set():
        state = driven[random.integers(3)]
        session, episode, step, length = state
        steps = min(int(random.integers(1, 10)), length - step)
        over = step + steps == length
        ring.add(session, _chunk(session, episode, step, length, steps, over))
        state[2] += steps
        if over:
            state[1:] = [episode + 1, 0, int(random.integers(5, 61))]
        if ring.inserted > ring.capacity:
            filled.set()


def _chunk(session: int, episode: int, step: int, length: int, steps: int, over: bool) -> TrajectoryChunk:
    where = np.array([(session, episode, at, length) for at in range(step, step + steps + 1)], np.float64)
    return TrajectoryChunk(
        sequence=1,
        episode_id=episode,
        first_step=step,
        policy_version=1,
        purpose=Purpose.TRAINING,
        observation={"where": np.tile(where[:, None, :], (1, 16, 1))},
        action=_fraction(where[:-1])[:, None],
        reward=_reward(where[:-1]),
        # Session 0's episodes terminate, the others' are truncated.
        ending=(Ending.TRUNCATED if session else Ending.TERMINATED) if over else Ending.CONTINUES,
    )


def _reward(where: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    return ((where[:, 0] * 7 + where[:, 1] * 3 + where[:, 2]) % 8 + 1).astype(np.float32)


def _fraction(where: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    return (_reward(where) / 8).astype(np.float32)


def _check(batch: Batch) -> None:
    for observation in (batch.observation, batch.next_observation):
        assert (observation["where"] == observation["where"][:, :1]).all()
    where, after = (observation["where"][:, 0] for observation in (batch.observation, batch.next_observation))
    np.testing.assert_array_equal(where[:, [0, 1, 3]], after[:, [0, 1, 3]])
    steps = (after - where)[:, 2].astype(int)
    assert ((steps >= 1) & (steps <= N_STEP)).all()
    np.testing.assert_array_equal(batch.action[:, 0], _fraction(where))
    sums = _partial_sums(where, N_STEP)
    np.testing.assert_array_equal(batch.n_step_return, sums[np.arange(len(sums)), steps - 1])
    terminated = (where[:, 0] == 0) & (after[:, 2] == after[:, 3])
    np.testing.assert_array_equal(batch.bootstrap_discount, np.where(terminated, 0, DISCOUNT**steps))


def _check_returns(observation: dict[str, Array], returns: npt.NDArray[np.float32]) -> None:
    where = observation["where"][:, 0]
    sums = _partial_sums(where, 64).astype(np.float32)
    assert (sums == returns[:, None]).any(axis=1).all()


def _partial_sums(where: Array, count: int) -> Array:
    """[len(where), count]: discounted sums of the 1, 2, ... count rewards from there on; exact in float64."""
    ahead = where + np.arange(count)[:, None, None] * np.array([0, 0, 1, 0])
    rewards = np.stack([_reward(step) for step in ahead], axis=1)
    return np.cumsum(rewards * DISCOUNT ** np.arange(count), axis=1)
