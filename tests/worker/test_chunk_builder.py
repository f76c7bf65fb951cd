"""Steps become chunks without losing, doubling or mixing any."""

import itertools
import math
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from distrib_l2r.trajectory import Ending, Purpose
from tests.fakes import ACTION_SIZE, OBSERVATION_SIZE, SPACES
from worker_service.chunk_builder import ChunkBuilder
from worker_service.episode import EpisodeRecord

CHUNK_LENGTH = 4


def observation(value: float) -> dict[str, np.ndarray[tuple[int], np.dtype[np.float32]]]:
    return {"observation": np.full(OBSERVATION_SIZE, value, np.float32)}


def builder() -> ChunkBuilder:
    return ChunkBuilder(SPACES, chunk_length=CHUNK_LENGTH, purpose=Purpose.TRAINING)


def test_privileged_columns_travel_apart() -> None:
    box = SPACES.observation["observation"]
    build = ChunkBuilder(
        replace(SPACES, privileged={"observation": box}), chunk_length=CHUNK_LENGTH, purpose=Purpose.TRAINING
    )
    rows = [observation(value) | {"privileged/observation": observation(-value)["observation"]} for value in range(7)]
    build.begin_episode(rows[0], policy_version=3)
    chunks = []
    for row in rows[1:]:
        if build.full:
            chunks.append(build.seal(Ending.CONTINUES, next_policy_version=3, record=EpisodeRecord()))
        build.add(np.zeros(ACTION_SIZE, np.float32), 0.0, row)
    chunks.append(build.seal(Ending.TERMINATED, next_policy_version=3, record=EpisodeRecord()))
    assert [chunk.observation["observation"][:, 0].tolist() for chunk in chunks] == [[0, 1, 2, 3, 4], [4, 5, 6]]
    assert [chunk.privileged["observation"][:, 0].tolist() for chunk in chunks] == [[0, -1, -2, -3, -4], [-4, -5, -6]]


@given(st.integers(1, 30))
def test_chunks_of_an_episode_overlap_in_exactly_one_observation(length: int) -> None:
    build, record, chunks = builder(), EpisodeRecord(), []
    build.begin_episode(observation(0), policy_version=3)
    for step in range(length):
        if build.full:
            chunks.append(build.seal(Ending.CONTINUES, next_policy_version=3, record=record))
        build.add(np.full(ACTION_SIZE, 0.5, np.float32), step, observation(step + 1))
    chunks.append(build.seal(Ending.TERMINATED, next_policy_version=3, record=record))
    rows = [chunk.observation["observation"][:, 0] for chunk in chunks]
    assert all(before[-1] == after[0] for before, after in itertools.pairwise(rows))
    assert [value for row in rows for value in row[:-1]] == list(range(length))
    assert [chunk.first_step for chunk in chunks] == list(range(0, length, CHUNK_LENGTH))
    assert [reward for chunk in chunks for reward in chunk.reward] == list(range(length))
    summary = chunks[-1].summary
    assert summary is not None
    assert (summary.length, summary.episode_return) == (length, length * (length - 1) / 2)
    assert all(chunk.summary is None for chunk in chunks[:-1])


def test_a_sealed_chunk_does_not_change_when_the_episode_goes_on() -> None:
    build = builder()
    build.begin_episode(observation(0), policy_version=1)
    build.add(np.zeros(ACTION_SIZE, np.float32), 1.0, observation(1))
    chunk = build.seal(Ending.CONTINUES, next_policy_version=2, record=EpisodeRecord())
    build.add(np.ones(ACTION_SIZE, np.float32), 2.0, observation(9))
    assert chunk.observation["observation"][:, 0].tolist() == [0, 1]
    assert (chunk.policy_version, build.policy_version) == (1, 2)


def test_laps_and_metrics_come_from_info() -> None:
    record = EpisodeRecord()
    record.add({"lap": {"number": 1, "time_seconds": 61.0, "sector_times_seconds": (30.0, 31.0)}})
    record.add({"metrics": {"laps_started": 2, "nothing": math.nan}})
    summary = record.summary(length=5, episode_return=1.0)
    assert (len(summary.laps), summary.laps_started) == (1, 2)
    assert dict(summary.metrics) == {"laps_started": 2.0}, "a metric that is not finite does not travel"
