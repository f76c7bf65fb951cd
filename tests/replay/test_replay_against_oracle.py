"""Ring and sampler against a naive list of chunks."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from distrib_l2r.tensor import Array
from distrib_l2r.trajectory import Ending
from learner_service.replay.batch import Batch
from learner_service.replay.files import ReplayFiles
from learner_service.replay.ring import ReplayRing
from tests.replay.builders import SPACES, marked_chunk, sampler_of, transition_rows
from tests.replay.naive_replay import NaiveReplay, NaiveTransition

DISCOUNT = 0.5


@dataclass(frozen=True)
class Push:
    session: int
    episode: int
    length: int
    ending: Ending
    skipped: int


@dataclass(frozen=True)
class Forget:
    session: int


sessions = st.sampled_from([1, 2])
endings = st.sampled_from([Ending.CONTINUES] * 4 + [Ending.TERMINATED, Ending.TRUNCATED, Ending.ABORTED])
skips = st.sampled_from([0, 0, 0, 0, 1])
pushes = st.builds(Push, sessions, st.integers(0, 1), st.integers(1, 6), endings, skips)
operations = st.lists(st.one_of(pushes, pushes, pushes, pushes, st.builds(Forget, sessions)), min_size=1, max_size=30)


class Drivers:
    """Drives episodes: each step's observation and reward are unlike every other's."""

    def __init__(self) -> None:
        self._mark = 1.0
        self._at: dict[tuple[int, int], tuple[int, float]] = {}

    def push(self, push: Push, *replays: ReplayRing | NaiveReplay) -> None:
        key = (push.session, push.episode)
        unseen = self._mark + 0.5
        first_step, mark = self._at.get(key, (0, unseen))
        if push.skipped:
            first_step, mark = first_step + push.skipped, unseen
        marks = [mark, *(self._mark + 1 + np.arange(push.length))]
        self._mark = marks[-1]
        # Kept past endings too: a client that goes on after one must not revive the episode.
        self._at[key] = (first_step + push.length, marks[-1])
        rewards = np.sin(marks[1:])
        chunk = marked_chunk(marks, rewards, ending=push.ending, episode_id=push.episode, first_step=first_step)
        for replay in replays:
            replay.add(push.session, chunk)


@given(capacity=st.integers(7, 40), n_step=st.integers(1, 9), script=operations, period=st.integers(1, 4))
@settings(max_examples=250, deadline=None)
def test_every_transition_equals_the_oracles(
    capacity: int, n_step: int, script: list[Push | Forget], period: int
) -> None:
    ring, oracle, drivers = ReplayRing(SPACES, capacity=capacity), NaiveReplay(capacity), Drivers()
    # One that has followed the ring all along, looking at it now and then, and one that is new each time.
    following = sampler_of(ring, batch_size=capacity, n_step=n_step, discount=DISCOUNT)
    inserted = 0
    for turn, operation in enumerate(script):
        if isinstance(operation, Forget):
            ring.forget(operation.session)
            oracle.forget(operation.session)
            continue
        drivers.push(operation, ring, oracle)
        inserted += operation.length
        expected = oracle.transitions(n_step, DISCOUNT)
        rows = transition_rows(ring)
        assert [transition.row for transition in expected] == rows.tolist()
        assert ring.transitions == len(rows)
        assert ring.inserted == inserted
        sampler = sampler_of(ring, batch_size=len(rows), n_step=n_step, discount=DISCOUNT)
        assert_equals(sampler.gather(rows), expected)
        if turn % period == 0:
            places = np.arange(capacity) % len(rows)
            assert_equals(following.gather(rows[places]), [expected[place] for place in places])


@given(capacity=st.integers(7, 40), n_step=st.integers(1, 9), script=st.lists(pushes, min_size=1, max_size=30))
@settings(max_examples=60, deadline=None)
def test_a_reopened_ring_equals_the_oracle(capacity: int, n_step: int, script: list[Push]) -> None:
    oracle, drivers = NaiveReplay(capacity), Drivers()
    with tempfile.TemporaryDirectory() as directory:
        ReplayFiles.create(Path(directory), SPACES, capacity).close()
        for push in script:
            files = ReplayFiles(Path(directory))
            ring = ReplayRing(SPACES, capacity=capacity, files=files)
            drivers.push(push, ring, oracle)
            files.close()
            # No record says what is left of a chunk that was overwritten in part.
            whole = [transition for transition in oracle.transitions(n_step, DISCOUNT) if transition.whole]
            files = ReplayFiles(Path(directory))
            ring = ReplayRing(SPACES, capacity=capacity, files=files)
            files.close()
            rows = transition_rows(ring)
            assert [transition.row for transition in whole] == rows.tolist()
            assert ring.transitions == len(rows)
            if len(rows):
                sampler = sampler_of(ring, batch_size=len(rows), n_step=n_step, discount=DISCOUNT)
                assert_equals(sampler.gather(rows), whole)


@given(capacity=st.integers(60, 300), horizon=st.integers(1, 120), seed=st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_discounted_returns_equal_the_oracles(capacity: int, horizon: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    ring, oracle, drivers = ReplayRing(SPACES, capacity=capacity), NaiveReplay(capacity), Drivers()
    for _ in range(20):
        ending = Ending(generator.choice([1, 1, 1, 1, 2, 3, 4]))
        length = int(generator.integers(1, 50))
        drivers.push(Push(1, int(generator.integers(2)), length, ending, 0), ring, oracle)
    expected = {transition.mark: transition.n_step_return for transition in oracle.transitions(horizon, 0.97)}
    sampler = sampler_of(ring, batch_size=1, discount=0.97, seed=seed)
    observation, returns = sampler.discounted_returns(64, horizon)
    assert returns.dtype == np.float32
    assert set(observation) == set(SPACES.observation)
    np.testing.assert_allclose(returns, [expected[mark] for mark in observation["pose"][:, 0]], rtol=1e-5, atol=1e-5)
    assert_marked(observation, observation["pose"][:, 0])


def assert_equals(batch: Batch, expected: list[NaiveTransition]) -> None:
    marks = np.array([transition.mark for transition in expected])
    next_marks = np.array([transition.next_mark for transition in expected])
    assert_marked(batch.observation, marks)
    assert_marked(batch.next_observation, next_marks)
    np.testing.assert_array_equal(batch.privileged["grip"], marks / 3)
    np.testing.assert_array_equal(batch.next_privileged["grip"], next_marks / 3)
    np.testing.assert_array_equal(batch.action[:, 0], (marks / 2**20).astype(np.float32))
    expected_returns = [transition.n_step_return for transition in expected]
    np.testing.assert_allclose(batch.n_step_return, expected_returns, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(batch.bootstrap_discount, [transition.bootstrap_discount for transition in expected])


def assert_marked(observation: Mapping[str, Array], marks: npt.NDArray[np.float64]) -> None:
    np.testing.assert_array_equal(observation["pose"], np.stack((marks, -marks), axis=1))
    images = np.broadcast_to((marks % 251).astype(np.uint8)[:, None, None, None], (len(marks), 2, 3, 1))
    np.testing.assert_array_equal(observation["camera"], images)
