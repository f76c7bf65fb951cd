"""An environment whose every number tells where it belongs, so that a lost, doubled or torn row shows."""

import os
import time
from typing import Any, Final

import gymnasium
import numpy as np

from distrib_l2r.tensor import Array

ENVIRONMENT_ID: Final = "tests.chaos.environment:Chaos-v0"
PROCESS_VARIABLE: Final = "CHAOS_PROCESS"
"""Names the environment variable with the number of this worker process: positive, never used twice in a run."""
LONGEST_EPISODE_STEPS: Final = 150
SHORT_EPISODE_SHARE: Final = 0.3
"""Of episodes, those that end within 3 steps."""

Observation = dict[str, Array]


def reward_of(ids: Array) -> Array:
    """The reward of the steps that led to these observations.

    Args:
        ids: int64 [..., 2], process and step.

    Returns:
        float32 [...], exact.
    """
    rewards: Array = (((ids[..., 0] * 7919 + ids[..., 1] * 31) % 1009) / 1024).astype(np.float32)
    return rewards


def mark_of(ids: Array) -> Array:
    """Another number that only these ids have: float32 [...] of int64 [..., 2], exact."""
    marks: Array = (((ids[..., 0] * 104_729 + ids[..., 1] * 57) % 2003) / 2048).astype(np.float32)
    return marks


class _Count:
    """Observations this process ever made: an environment made anew goes on counting."""

    next_id = 0


class ChaosEnvironment(gymnasium.Env[Observation, Array]):
    """Observation `id`: int64 [2], process and number of this observation in the process, from 0.

    Observation `echo`: float32 [2], the action that led here and the id's mark. Each observation is one after the last,
    over the end of episodes too: what follows on row k without an end between is row k + 1.
    """

    observation_space: Any = gymnasium.spaces.Dict(
        {
            "id": gymnasium.spaces.Box(0, np.iinfo(np.int64).max, (2,), np.int64),
            "echo": gymnasium.spaces.Box(-1, 1, (2,), np.float32),
        }
    )
    action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self, step_seconds: float = 0.004) -> None:
        self._step_seconds = step_seconds
        self._process = int(os.environ[PROCESS_VARIABLE])
        # Not the assignment's seed: a worker process that takes another's place should drive other lengths.
        self._lengths = np.random.default_rng(self._process)
        self._steps_left = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        super().reset(seed=seed)
        short = self._lengths.random() < SHORT_EPISODE_SHARE
        self._steps_left = int(self._lengths.integers(1, 4 if short else LONGEST_EPISODE_STEPS))
        return self._observation(np.float32(0)), {}

    def step(self, action: Array) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        time.sleep(self._step_seconds)
        observation = self._observation(action[0])
        self._steps_left -= 1
        over = self._steps_left == 0
        terminated = over and bool(self._lengths.random() < 0.5)
        return observation, float(reward_of(observation["id"])), terminated, over and not terminated, {}

    def _observation(self, action: np.float32) -> Observation:
        ids = np.array([self._process, _Count.next_id], np.int64)
        _Count.next_id += 1
        return {"id": ids, "echo": np.array([action, mark_of(ids)], np.float32)}


gymnasium.register("Chaos-v0", "tests.chaos.environment:ChaosEnvironment", disable_env_checker=True)
