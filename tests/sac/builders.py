"""Spaces and batches for the tests of SAC."""

import numpy as np

from distrib_l2r.spaces import Box, Spaces
from distrib_l2r.tensor import Array
from learner_service.replay.batch import Batch
from learner_service.sac.config import SACConfig

SMALL = {"actor_hidden_sizes": (16,), "critic_hidden_sizes": (16,), "batch_size": 8, "device": "cpu"}


SMALL_ENCODER = {"encoder_channels": (6, 5), "encoder_strides": (3, 2), "encoder_features": 7}


def small_config(**settings: object) -> SACConfig:
    return SACConfig(**{**SMALL, **SMALL_ENCODER, **settings})  # type: ignore[arg-type]


def box(*shape: int, low: float = -np.inf, high: float = np.inf, dtype: str = "float32") -> Box:
    return Box(low=np.full(shape, low, dtype), high=np.full(shape, high, dtype))


def plain_spaces(observation: int = 3, action: int = 2) -> Spaces:
    return Spaces(observation={"observation": box(observation)}, action=box(action, low=-1, high=1))


def camera_spaces() -> Spaces:
    return Spaces(
        observation={
            "camera": box(4, 5, 3, low=0, high=255, dtype="uint8"),
            "speed": box(2),
            "lap": box(low=0, high=9, dtype="int64"),
        },
        action=Box(low=np.array([-0.1, 0.0]), high=np.array([0.3, 2.0])),
        privileged={"grip": box(4, dtype="float64")},
    )


def image_spaces() -> Spaces:
    """Two images, one of them of two frames, and numbers."""
    return Spaces(
        observation={
            "camera": box(32, 40, 3, low=0, high=255, dtype="uint8"),
            "speed": box(2),
            "depth": box(2, 36, 32, 1, low=0, high=255, dtype="uint8"),
            "map": box(4, 5, 1, low=0, high=255, dtype="uint8"),
        },
        action=Box(low=np.array([-0.1, 0.0]), high=np.array([0.3, 2.0])),
        privileged={"grip": box(4, dtype="float64")},
    )


def pixel_spaces() -> Spaces:
    """Nothing but an image."""
    camera = box(33, 32, 1, low=0, high=255, dtype="uint8")
    return Spaces(observation={"camera": camera}, action=box(2, low=-1, high=1))


def column(box: Box, count: int, random: np.random.Generator) -> Array:
    if box.dtype.kind in "iu":
        return random.integers(0, 255, (count, *box.shape)).astype(box.dtype)
    return random.standard_normal((count, *box.shape)).astype(box.dtype)


def random_batch(spaces: Spaces, count: int, seed: int = 0) -> Batch:
    random = np.random.default_rng(seed)
    action = spaces.action
    return Batch(
        observation={name: column(box, count, random) for name, box in spaces.observation.items()},
        privileged={name: column(box, count, random) for name, box in spaces.privileged.items()},
        action=random.uniform(action.low, action.high, (count, *action.shape)).astype(action.dtype),
        n_step_return=random.standard_normal(count).astype(np.float32),
        bootstrap_discount=random.choice([0, 0.9, 0.99], count).astype(np.float32),
        next_observation={name: column(box, count, random) for name, box in spaces.observation.items()},
        next_privileged={name: column(box, count, random) for name, box in spaces.privileged.items()},
    )
