"""What sampling costs over the bare copy: `sample()` against two `numpy.take` of its observation rows.

One JSON line a batch size; value and baseline are medians of calls taken by turns.

    python -m tests.benchmarks.replay_sampling
"""

import json
import statistics
import time
from collections.abc import Callable

import numpy as np

from distrib_l2r.spaces import Box, Spaces
from distrib_l2r.trajectory import Ending, Purpose, TrajectoryChunk
from learner_service.replay.ring import ReplayRing
from learner_service.replay.sampler import Sampler
from learner_service.replay.sampling import Sampling

ROWS, WIDTH, CHUNK_LENGTH, EPISODE_CHUNKS, SESSIONS = 1_000_000, 45, 64, 16, 8
N_STEP = 5
ROUNDS = 500

SPACES = Spaces(
    observation={"observation": Box(low=np.full(WIDTH, -1, np.float32), high=np.full(WIDTH, 1, np.float32))},
    action=Box(low=np.full(2, -1, np.float32), high=np.full(2, 1, np.float32)),
)


def full_ring() -> ReplayRing:
    """Interleaved episodes of several sessions, over the ring's end once."""
    ring, random = ReplayRing(SPACES, capacity=ROWS), np.random.default_rng(0)
    observation = random.random((CHUNK_LENGTH + 1, WIDTH), np.float32)
    for number in range(ROWS // (CHUNK_LENGTH + 1) + 2 * SESSIONS):
        session, turn = number % SESSIONS, number // SESSIONS
        episode, part = divmod(turn, EPISODE_CHUNKS)
        chunk = TrajectoryChunk(
            sequence=turn + 1,
            episode_id=episode,
            first_step=part * CHUNK_LENGTH,
            policy_version=1,
            purpose=Purpose.TRAINING,
            observation={"observation": observation},
            action=random.random((CHUNK_LENGTH, 2), np.float32),
            reward=random.random(CHUNK_LENGTH, np.float32),
            ending=Ending.CONTINUES if part < EPISODE_CHUNKS - 1 else Ending.TERMINATED,
        )
        ring.add(session, chunk)
    return ring


def seconds(call: Callable[[], object]) -> float:
    """What one call takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def main() -> None:
    """Prints the lines."""
    ring, random = full_ring(), np.random.default_rng(1)
    column = ring.observation["observation"]
    for batch_size in (256, 1024, 8192):
        sampler = Sampler(ring, Sampling(batch_size=batch_size, n_step=N_STEP, discount=0.99), seed=0)
        out = np.empty((batch_size, WIDTH), np.float32)
        sampled, bare = [], []
        for _ in range(ROUNDS):
            rows = random.integers(ROWS - N_STEP, size=batch_size)
            following = rows + N_STEP
            sampled.append(seconds(sampler.sample))
            first = seconds(lambda rows=rows, out=out: np.take(column, rows, axis=0, out=out, mode="clip"))  # type: ignore[misc]
            second = seconds(lambda rows=following, out=out: np.take(column, rows, axis=0, out=out, mode="clip"))  # type: ignore[misc]
            bare.append(first + second)
        value, baseline = statistics.median(sampled) * 1e6, statistics.median(bare) * 1e6
        row = {
            "name": f"replay_sample_batch_{batch_size}",
            "value": round(value, 1),
            "unit": "microseconds",
            "baseline": round(baseline, 1),
            "ratio": round(value / baseline, 2),
        }
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
