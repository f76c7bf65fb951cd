"""A full replay ring, such as benchmarks sample from."""

import numpy as np

from distrib_l2r.spaces import Box, Spaces
from distrib_l2r.trajectory import Ending, Purpose, TrajectoryChunk
from learner_service.replay.ring import ReplayRing

ROWS, WIDTH, CHUNK_LENGTH, EPISODE_CHUNKS, SESSIONS = 1_000_000, 45, 64, 16, 8
N_STEP = 5

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
