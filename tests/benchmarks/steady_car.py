"""A car that stays on the road whatever it is told, so that episodes, and chunks with them, are long."""

from typing import Any

import gymnasium
import numpy as np

from distrib_l2r.tensor import Array
from worker_service.columns import Environment

POINT_LEFT = 18
"""Of an observation: how far to the left the third look-ahead point is, as a share of the look-ahead distance."""
SPEED = 3
"""Of an observation: forward speed / 50 m/s."""
SLOW = 0.2


class SteadyCar(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Steers towards a point ahead at 10 m/s: at the price of about a microsecond, an untrained policy drives on."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._action = np.zeros(2, np.float32)

    def reset(self, **options: Any) -> tuple[Array, dict[str, Any]]:
        observation, info = self.env.reset(**options)
        self._see(observation)
        return observation, info

    def step(self, _: Array) -> tuple[Array, Any, bool, bool, dict[str, Any]]:
        answer = self.env.step(self._action)
        self._see(answer[0])
        return answer

    def _see(self, observation: Array) -> None:
        self._action[0] = 6.0 * observation[POINT_LEFT]
        self._action[1] = 5.0 * (SLOW - observation[SPEED])
