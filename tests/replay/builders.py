"""Spaces, and chunks whose every number tells where it belongs."""

import numpy as np
import numpy.typing as npt

from distrib_l2r.spaces import Box, Spaces
from distrib_l2r.trajectory import Ending, Purpose, TrajectoryChunk
from learner_service.replay.ring import DEAD, ReplayRing
from learner_service.replay.sampler import Sampler
from learner_service.replay.sampling import Sampling

SPACES = Spaces(
    observation={
        "pose": Box(low=np.full(2, -np.inf, np.float32), high=np.full(2, np.inf, np.float32)),
        "camera": Box(low=np.zeros((2, 3, 1), np.uint8), high=np.full((2, 3, 1), 255, np.uint8)),
    },
    action=Box(low=np.full(1, -1, np.float32), high=np.full(1, 1, np.float32)),
    privileged={"grip": Box(low=np.array(-np.inf), high=np.array(np.inf))},
)


def marked_chunk(
    marks: npt.ArrayLike,
    reward: npt.ArrayLike,
    *,
    ending: Ending = Ending.CONTINUES,
    episode_id: int = 0,
    first_step: int = 0,
    purpose: Purpose = Purpose.TRAINING,
    sequence: int = 1,
) -> TrajectoryChunk:
    """A chunk whose observations carry the given marks, [T + 1] numbers, and whose actions carry their step's."""
    mark = np.asarray(marks, np.float32)
    return TrajectoryChunk(
        sequence=sequence,
        episode_id=episode_id,
        first_step=first_step,
        policy_version=1,
        purpose=purpose,
        observation={
            "pose": np.stack((mark, -mark), axis=1),
            "camera": np.tile((mark % 251).astype(np.uint8)[:, None, None, None], (1, 2, 3, 1)),
        },
        action=(mark[:-1, None] / 2**20).astype(np.float32),
        reward=np.asarray(reward, np.float32),
        ending=ending,
        privileged={"grip": mark.astype(np.float64) / 3},
    )


def plain_chunk(length: int, *, episode_id: int = 0, first_step: int = 0) -> TrajectoryChunk:
    """An unfinished training chunk of zeros."""
    return marked_chunk(np.zeros(length + 1), np.zeros(length), episode_id=episode_id, first_step=first_step)


def transition_rows(ring: ReplayRing) -> npt.NDArray[np.int64]:
    """The rows that hold transitions, ascending."""
    return np.flatnonzero(ring.ending != DEAD)


def sampler_of(ring: ReplayRing, *, batch_size: int, n_step: int = 1, discount: float = 0.9, seed: int = 0) -> Sampler:
    """A sampler with these settings."""
    return Sampler(ring, Sampling(batch_size=batch_size, n_step=n_step, discount=discount), seed=seed)
