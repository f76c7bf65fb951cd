"""A mass on a rail that is to be brought to rest at the origin."""

from typing import Any, Final

import gymnasium
import numpy as np
from numpy.typing import NDArray

STEP_SECONDS: Final = 0.05
LARGEST_ACCELERATION: Final = 2.0
"""In metres per second squared, at action 1 or -1."""


class DoubleIntegrator(gymnasium.Env[NDArray[np.float32], NDArray[np.float32]]):
    """Observes position in metres and speed in metres per second, float32 [2]; is told an acceleration, float32 [1]."""

    def __init__(self) -> None:
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float32)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)
        self._state = np.zeros(2, np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begins at rest, within two metres of the origin."""
        super().reset(seed=seed)
        self._state = np.array([self.np_random.uniform(-2.0, 2.0), 0.0], np.float32)
        return self._state.copy(), {}

    def step(self, action: NDArray[np.float32]) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Accelerates for `STEP_SECONDS`; the reward falls with the squares of distance, speed and effort."""
        position, speed = self._state
        speed += LARGEST_ACCELERATION * float(np.clip(action[0], -1.0, 1.0)) * STEP_SECONDS
        position += speed * STEP_SECONDS
        self._state = np.array([position, speed], np.float32)
        reward = -float(position**2 + 0.1 * speed**2 + 0.01 * action[0] ** 2)
        return self._state.copy(), reward, False, False, {}
