"""What the ring refuses, counts and forgets; its transitions are tested against the oracle."""

import numpy as np
import pytest

from distrib_l2r.trajectory import Ending, Purpose, TrajectoryChunk
from learner_service.replay.ring import ReplayRing
from tests.replay.builders import SPACES, marked_chunk, plain_chunk, sampler_of, transition_rows


def test_ring_refuses_a_capacity_without_room_for_a_chunk() -> None:
    with pytest.raises(ValueError, match="capacity is 1 rows; a chunk takes at least 2"):
        ReplayRing(SPACES, capacity=1)


def test_add_refuses_evaluation_chunks() -> None:
    ring = ReplayRing(SPACES, capacity=8)
    with pytest.raises(ValueError, match="purpose is EVALUATION; only TRAINING"):
        ring.add(1, marked_chunk([1, 2], [0], purpose=Purpose.EVALUATION))
    assert ring.inserted == 0


def test_add_refuses_a_chunk_larger_than_the_ring_and_keeps_what_it_holds() -> None:
    ring = ReplayRing(SPACES, capacity=8)
    ring.add(1, plain_chunk(3))
    with pytest.raises(ValueError, match="8 steps and takes 9 rows; replay has 8: raise its capacity"):
        ring.add(1, plain_chunk(8))
    assert (ring.inserted, ring.transitions) == (3, 3)


def test_a_chunk_may_fill_the_whole_ring() -> None:
    ring = ReplayRing(SPACES, capacity=8)
    for _ in range(3):
        ring.add(1, plain_chunk(7))
    assert (ring.inserted, ring.transitions) == (21, 7)


def test_a_chunk_that_overwrites_its_own_predecessor_is_not_linked_to_it() -> None:
    ring = ReplayRing(SPACES, capacity=8)
    ring.add(1, plain_chunk(2))
    ring.add(1, plain_chunk(6, first_step=2))
    # The predecessor's last row, 1, now holds the new chunk's tail.
    assert ring.successor[1] == 1


def test_a_chunk_that_fails_halfway_leaves_no_trace_of_itself() -> None:
    ring = ReplayRing(SPACES, capacity=8)
    ring.add(1, marked_chunk([1, 2, 3], [1, 1]))
    ring.add(1, marked_chunk([3, 4, 5], [1, 1], first_step=2))
    broken = marked_chunk([5, 6, 7, 8], [1, 1, 1], first_step=4)
    with pytest.raises(ValueError, match="broadcast"):
        ring.add(1, _with_short_action(broken))
    # Of the rows under the broken chunk the old transitions are gone, too: row 0 and 1 by wrap-around.
    assert ring.transitions == len(transition_rows(ring)) == 2
    batch = sampler_of(ring, batch_size=2, n_step=5).gather(transition_rows(ring))
    np.testing.assert_array_equal(batch.next_observation["pose"][:, 0], [5, 5])
    ring.add(1, broken)
    assert ring.transitions == len(transition_rows(ring))


def test_forgotten_sessions_keep_transitions_but_lose_open_episodes() -> None:
    ring = ReplayRing(SPACES, capacity=16)
    for session in (1, 2):
        ring.add(session, marked_chunk([1, 2], [1]))
    ring.forget(1)
    for session in (1, 2):
        ring.add(session, marked_chunk([2, 3], [1], first_step=1))
    assert ring.transitions == 4
    batch = sampler_of(ring, batch_size=2, n_step=2).gather(np.array([0, 2]))
    np.testing.assert_array_equal(batch.n_step_return, [1, np.float32(1.9)])


def test_open_episodes_are_dropped_with_their_rows() -> None:
    ring = ReplayRing(SPACES, capacity=10)
    for episode in range(1000):
        ring.add(1, plain_chunk(1, episode_id=episode))
    assert len(ring._open) <= 5


@pytest.mark.parametrize("ending", [Ending.TERMINATED, Ending.TRUNCATED, Ending.ABORTED])
def test_ended_episodes_are_not_remembered(ending: Ending) -> None:
    ring = ReplayRing(SPACES, capacity=10)
    ring.add(1, plain_chunk(1))
    ring.add(1, marked_chunk([1, 2], [0], first_step=1, ending=ending))
    assert not ring._open


def test_observations_are_stored_once() -> None:
    ring = ReplayRing(SPACES, capacity=1000)
    row = sum(box.dtype.itemsize * int(np.prod(box.shape)) for box in SPACES.observation.values())
    assert sum(column.nbytes for column in ring.observation.values()) == 1000 * row


def _with_short_action(chunk: TrajectoryChunk) -> TrajectoryChunk:
    fields = {name: getattr(chunk, name) for name in chunk.__dataclass_fields__}
    return TrajectoryChunk(**{**fields, "action": np.zeros((3, 2), np.float32)})
