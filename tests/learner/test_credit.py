"""Who may have how many chunks in flight, and what the sentence about it says."""

from typing import Any

import numpy as np
import pytest

from distrib_l2r.spaces import Box, Spaces
from distrib_l2r.trajectory import Ending, Purpose, TrajectoryChunk, encode_chunk
from learner_service.credit import Credit, InFlightLimit, chunk_bytes
from learner_service.replay.samples_per_insert import SamplesPerInsert
from tests.fakes import SPACES

CHUNK_LENGTH = 4
# Observations of 3 floats in 5 rows, 2 actions and a reward in 4.
CHUNK_BYTES = 4 * (3 * 5 + 2 * 4 + 4)

IMAGE_SPACES = Spaces(
    observation={
        "camera": Box(low=np.zeros((64, 64, 3), "u1"), high=np.full((64, 64, 3), 255, "u1")),
        "speed": Box(low=np.zeros(1, "f4"), high=np.ones(1, "f4")),
    },
    action=SPACES.action,
    privileged={"state": Box(low=np.zeros(2, "f8"), high=np.ones(2, "f8"))},
)


def make_limiter(minimum: float = 0.0) -> SamplesPerInsert:
    """Of batches of 8; with a minimum its slack is 128 updates, 1024 / minimum transitions."""
    return SamplesPerInsert(batch_size=8, minimum=minimum, maximum=100.0, min_transitions=10)


def make_limit(limiter: SamplesPerInsert | None = None, *, collecting: int = 0, **changes: Any) -> InFlightLimit:
    options: dict[str, Any] = {"chunk_length": CHUNK_LENGTH, "max_in_flight_chunks": 8, "replay_capacity": 1_000_000}
    limit = InFlightLimit(limiter or make_limiter(), SPACES, **options | changes)
    for _ in range(collecting):
        limit.open(evaluates=False)
    return limit


@pytest.mark.parametrize("spaces", [SPACES, IMAGE_SPACES])
def test_a_chunk_takes_the_bytes_it_has_on_the_wire_but_for_a_few_names(spaces: Spaces) -> None:
    def rows(boxes: Any, count: int) -> dict[str, Any]:
        return {name: np.zeros((count, *box.shape), box.dtype) for name, box in boxes.items()}

    chunk = TrajectoryChunk(
        sequence=1,
        episode_id=1,
        first_step=0,
        policy_version=1,
        purpose=Purpose.TRAINING,
        observation=rows(spaces.observation, CHUNK_LENGTH + 1),
        privileged=rows(spaces.privileged, CHUNK_LENGTH + 1),
        action=np.zeros((CHUNK_LENGTH, *spaces.action.shape), spaces.action.dtype),
        reward=np.zeros(CHUNK_LENGTH, "f4"),
        ending=Ending.CONTINUES,
    )
    assert 0 < encode_chunk(chunk).ByteSize() - chunk_bytes(spaces, CHUNK_LENGTH) < 300


def test_with_room_for_all_each_has_the_most_and_nothing_is_said() -> None:
    assert make_limit(collecting=64).credit(evaluates=False) == Credit(8, "")


def test_memory_is_shared_by_all_streams_evaluating_ones_included() -> None:
    limit = make_limit(collecting=3, max_in_flight_bytes=20 * CHUNK_BYTES + CHUNK_BYTES // 2)
    assert limit.credit(evaluates=False).chunks == 20 // 3
    limit.open(evaluates=True)
    expected = Credit(
        5,
        f"credit is 5 of 8 chunks: {20 * CHUNK_BYTES + CHUNK_BYTES // 2} bytes may be in flight in chunks of "
        f"{CHUNK_BYTES}, shared by 4 streams; more memory (max_in_flight_bytes) would help",
    )
    assert limit.credit(evaluates=False) == limit.credit(evaluates=True) == expected


@pytest.mark.parametrize("streams", range(1, 40))
def test_all_credit_together_fits_the_memory_unless_one_chunk_each_does_not(streams: int) -> None:
    limit = make_limit(collecting=streams, max_in_flight_bytes=20 * CHUNK_BYTES)
    credit = limit.credit(evaluates=False)
    assert credit.chunks >= 1
    assert credit.chunks * streams * CHUNK_BYTES <= max(20, streams) * CHUNK_BYTES
    assert bool(credit.detail) == (credit.chunks < 8)


def test_an_eighth_of_replay_is_shared_by_collecting_streams_alone() -> None:
    # 100 rows, 20 chunks of 4 steps and a tail.
    limit = make_limit(collecting=4, replay_capacity=800)
    limit.open(evaluates=True)
    assert limit.credit(evaluates=False) == Credit(
        5,
        "credit is 5 of 8 chunks: 100 of replay's 800 rows may be in flight in chunks of 5, "
        "shared by 4 collecting streams; a larger replay_capacity would help",
    )
    assert limit.credit(evaluates=True) == Credit(8, ""), "evaluations do not enter replay"


def test_a_replay_of_hardly_any_rows_still_lets_one_chunk_each_in() -> None:
    assert make_limit(collecting=9, replay_capacity=8).credit(evaluates=False).chunks == 1


def test_what_samples_per_insert_allow_is_shared_and_rounded_up_to_a_chunk() -> None:
    limiter = make_limiter(minimum=8.0)
    limiter.insert(10 + limiter.slack - 30)
    limit = make_limit(limiter, collecting=3)
    assert limiter.allowance() == 30
    assert limit.credit(evaluates=False) == Credit(
        3,
        "credit is 3 of 8 chunks: the minimum of samples per insert allows 30 transitions more in chunks of 4, "
        "shared by 3 collecting streams",
    )


def test_throttled_workers_get_nothing_and_the_limiters_own_sentence_but_evaluators_go_on() -> None:
    limiter = make_limiter(minimum=8.0)
    limiter.insert(10 + limiter.slack)
    limit = make_limit(limiter, collecting=2)
    credit = limit.credit(evaluates=False)
    assert credit.chunks == 0
    assert credit.detail.startswith("workers wait: samples per insert 0.0 is at its minimum 8.0")
    assert limit.credit(evaluates=True) == Credit(8, "")
    limiter.updated(128)
    assert limit.credit(evaluates=False) == Credit(8, "")


def test_a_stream_that_closed_shares_no_longer() -> None:
    limit = make_limit(collecting=10, max_in_flight_bytes=20 * CHUNK_BYTES)
    assert limit.credit(evaluates=False).chunks == 2
    for _ in range(6):
        limit.close(evaluates=False)
    assert (limit.collecting, limit.credit(evaluates=False).chunks) == (4, 5)


def test_a_stream_closes_once() -> None:
    limit = make_limit(collecting=1)
    with pytest.raises(RuntimeError, match="0 evaluating"):
        limit.close(evaluates=True)
    limit.close(evaluates=False)
    with pytest.raises(RuntimeError, match="0 collecting"):
        limit.close(evaluates=False)


@pytest.mark.parametrize("name", ["chunk_length", "max_in_flight_chunks", "replay_capacity", "max_in_flight_bytes"])
def test_a_limit_below_one_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is 0; it must be at least 1"):
        make_limit(None, **{name: 0})


def test_a_leaving_worker_gets_credit_for_what_it_holds_although_workers_are_throttled() -> None:
    limiter = make_limiter(minimum=8.0)
    limit = make_limit(limiter, collecting=2)
    limiter.insert(10 + limiter.slack)
    assert limit.credit(evaluates=False).chunks == 0
    assert limit.leaving_credit(3) == Credit(3, "")
    assert limit.leaving_credit(100).chunks == 8, "as many in flight as any worker"
    assert limit.leaving_credit(0) == Credit(0, "")
    assert limit.leaving_credit(-1) == Credit(0, "")


def test_leaving_workers_together_add_an_eighth_of_replay_beyond_samples_per_insert() -> None:
    limiter = make_limiter(minimum=8.0)
    limit = make_limit(limiter, collecting=2, replay_capacity=800)
    limiter.insert(10 + limiter.slack + 92)
    assert limit.leaving_credit(100).chunks == 2
    limiter.insert(8)
    refused = limit.leaving_credit(100)
    assert refused.chunks == 0
    assert "brought 100 transitions beyond the minimum of samples per insert; 100 may be" in refused.detail
    limiter.updated(13)
    assert limit.leaving_credit(100).chunks == 3


def test_a_leaving_worker_is_bound_by_memory() -> None:
    limiter = make_limiter(minimum=8.0)
    limit = make_limit(limiter, collecting=2, max_in_flight_bytes=6 * CHUNK_BYTES)
    limiter.insert(10 + limiter.slack)
    assert limit.leaving_credit(100).chunks == 3


@pytest.mark.parametrize(("capacity", "chunks"), [(8, 1), (800, 20), (1_000_000, 256)])
def test_what_one_leaving_worker_may_hand_over_fits_the_eighth_of_replay(capacity: int, chunks: int) -> None:
    assert make_limit(replay_capacity=capacity).leaving_chunks == chunks
