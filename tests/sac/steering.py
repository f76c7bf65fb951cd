"""A small task from pixels: push a ball, which keeps rolling, onto a mark.

`gymnasium.make("tests.sac.steering:Steering-v0")`; the module registers it.
"""

from typing import Any, Final

import gymnasium
import numpy as np
from gymnasium import spaces

from distrib_l2r.tensor import Array

SIDE: Final = 32
STEPS: Final = 40
PUSH: Final = 0.1
"""Of the field's half width a step, a step: what the action adds to the speed."""
_RADIUS: Final = 0.12
_GRID: Final = (np.arange(SIDE) + 0.5) * 2 / SIDE - 1


class Steering(gymnasium.Env[Any, Array]):
    """A ball on a field [-1, 1]^2 and a mark that stays where it is.

    The action, float32 [2] in [-1, 1], pushes the ball, which nothing slows down. The reward is minus its distance from
    the mark; episodes take 40 steps.

    A picture is uint8 [32, 32], the ball bright and the mark dim. How the ball moves shows either in two of them, the
    one before and the newest, as channels of `picture`; or in `speed`, float32 [2], beside one of them.

    Args:
        speed: which of both.
    """

    def __init__(self, *, speed: bool = False) -> None:
        self._speed, self._frames = speed, 1 if speed else 2
        self.action_space = spaces.Box(-1, 1, (2,), np.float32)
        columns: dict[str, spaces.Space[Any]] = {"picture": spaces.Box(0, 255, (SIDE, SIDE, self._frames), np.uint8)}
        if speed:
            columns["speed"] = spaces.Box(-np.inf, np.inf, (2,), np.float32)
        self.observation_space = spaces.Dict(columns)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.mark, self.ball = self.np_random.uniform(-0.6, 0.6, (2, 2))
        self.velocity = self.np_random.uniform(-0.1, 0.1, 2)
        self._before, self._steps = self.ball - self.velocity, 0
        return self._observation(), {}

    def step(self, action: Array) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.velocity = self.velocity + PUSH * np.clip(action, -1, 1)
        self._before, ball = self.ball, self.ball + self.velocity
        self.ball = ball.clip(-1, 1)
        # Walls stop it.
        self.velocity = np.where(ball == self.ball, self.velocity, 0.0)
        self._steps += 1
        distance = float(np.linalg.norm(self.ball - self.mark))
        return self._observation(), -distance, False, self._steps == STEPS, {}

    def _observation(self) -> dict[str, Array]:
        mark = 100 * _disc(self.mark)
        places = [self.ball] if self._frames == 1 else [self._before, self.ball]
        picture = np.stack([np.maximum(mark, 255 * _disc(place)) for place in places], 2).astype(np.uint8)
        return {"picture": picture} | ({"speed": self.velocity.astype(np.float32)} if self._speed else {})


def _disc(place: Array) -> Array:
    across, along = (np.exp(-(((_GRID - coordinate) / _RADIUS) ** 2)) for coordinate in place)
    disc: Array = np.outer(across, along)
    return disc


gymnasium.register("Steering-v0", f"{__name__}:Steering")
