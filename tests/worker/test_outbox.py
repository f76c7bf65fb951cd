"""The outbox numbers, keeps, and lets go only of what is acknowledged."""

import threading

import pytest

from distrib_l2r.v1 import trajectory_pb2 as pb
from worker_service.outbox import Outbox


def filled(count: int, capacity: int = 8) -> Outbox:
    outbox = Outbox(capacity)
    for episode in range(1, count + 1):
        assert outbox.put(pb.TrajectoryChunk(episode_id=episode), timeout_seconds=0)
    return outbox


def episode(outbox: Outbox, sequence: int) -> int | None:
    chunk = outbox.find(sequence)
    return chunk.episode_id if chunk else None


def test_chunks_are_numbered_in_order_and_found_until_acknowledged() -> None:
    outbox = filled(3)
    assert [episode(outbox, sequence) for sequence in range(5)] == [None, 1, 2, 3, None]
    outbox.acknowledge(2)
    assert [episode(outbox, sequence) for sequence in range(5)] == [None, None, None, 3, None]
    outbox.acknowledge(1)
    assert len(outbox) == 1, "an older acknowledgement changes nothing"
    assert outbox.put(pb.TrajectoryChunk(episode_id=4), timeout_seconds=0)
    assert episode(outbox, 4) == 4


def test_a_full_outbox_waits_for_room_and_drops_nothing() -> None:
    outbox = filled(2, capacity=2)
    assert not outbox.put(pb.TrajectoryChunk(episode_id=3), timeout_seconds=0.01)
    room = threading.Timer(0.05, outbox.acknowledge, [1])
    room.start()
    assert outbox.put(pb.TrajectoryChunk(episode_id=3), timeout_seconds=10)
    room.join()
    assert [episode(outbox, sequence) for sequence in (2, 3)] == [2, 3]


def test_a_new_session_numbers_what_is_left_from_one() -> None:
    outbox = filled(4)
    outbox.acknowledge(2)
    outbox.restart()
    assert [episode(outbox, sequence) for sequence in (1, 2, 3)] == [3, 4, None]
    chunk = outbox.find(2)
    assert chunk is not None
    assert chunk.sequence == 2


def test_waiting_for_the_last_acknowledgement_ends_with_it_or_with_the_time() -> None:
    outbox = filled(1)
    assert not outbox.wait_empty(timeout_seconds=0.01)
    outbox.acknowledge(1)
    assert outbox.wait_empty(timeout_seconds=0)


def test_an_acknowledgement_of_what_was_never_put_lets_go_of_nothing() -> None:
    outbox = filled(2)
    with pytest.raises(ValueError, match="sequence is 3; the newest chunk put here is 2"):
        outbox.acknowledge(3)
    assert len(outbox) == 2


def test_a_worker_that_leaves_may_put_beyond_the_capacity() -> None:
    outbox = filled(2, capacity=2)
    assert outbox.put(pb.TrajectoryChunk(episode_id=3), timeout_seconds=0, beyond_capacity=True)
    assert episode(outbox, 3) == 3
