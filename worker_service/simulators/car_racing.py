"""Gymnasium's CarRacing-v3 for off-policy learning: actions repeated, only the last frame drawn, speed told."""

from typing import Any, Final

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.envs.box2d.car_racing import FPS, STATE_H, STATE_W, CarRacing
from numpy.typing import NDArray

EPISODE_FRAMES: Final = 1000
"""An episode is truncated after so many, as Gymnasium registers CarRacing-v3."""
MOST_BRAKE: Final = 0.8
"""From 0.9 on the wheels lock."""
LARGEST_SPEED: Final = 200.0
"""Bound of the space; the car reaches about 100."""

Observation = dict[str, NDArray[Any]]


class CarRacingCamera(gymnasium.Env[Any, NDArray[np.float32]]):
    """CarRacing-v3 at a fraction of its 50 frames a second.

    The track, the car and the reward are Gymnasium's own, frame by frame: an episode's return is that of CarRacing-v3
    driven with each action repeated. Drawing takes most of a frame's time, and nobody sees the frames between; of an
    episode that ends between, the last picture stands for its end.

    Observation: "camera", uint8 [96, 96, 3], Gymnasium's picture, whose lowest 12 rows are instruments; "speed",
    float32 [1], of the hull, in units of the simulation a second. Action, float32 [2] in [-1, 1]: steering, right
    positive; gas, or where negative the brake.

    Args:
        repeat: frames for which an action holds.
        patience: steps without a new tile of the road after which training truncates an episode, as nothing more is
            learnt there; 0: never, as evaluations must have it.
        render_mode: as CarRacing-v3.

    Raises:
        ValueError: repeat is below 1, or patience below 0.
    """

    metadata = {"render_modes": ["human", "rgb_array"], "render_fps": FPS}  # noqa: RUF012

    def __init__(self, repeat: int = 4, patience: int = 0, render_mode: str | None = None) -> None:
        if repeat < 1 or patience < 0:
            raise ValueError(f"repeat is {repeat} and patience {patience}; they must be at least 1 and 0")
        self.render_mode = render_mode
        self.metadata = {**self.metadata, "render_fps": FPS / repeat}
        self.observation_space = spaces.Dict(
            {
                "camera": spaces.Box(0, 255, (STATE_H, STATE_W, 3), np.uint8),
                "speed": spaces.Box(0.0, LARGEST_SPEED, (1,), np.float32),
            }
        )
        self.action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
        self._repeat = repeat
        self._patience = patience
        self._game = _SparselyDrawn(render_mode)
        self._frames = self._idle_steps = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begins on a new track."""
        super().reset(seed=seed)
        self._frames = self._idle_steps = 0
        self._game.draws = True
        _, info = self._game.reset(seed=seed, options=options)
        return self._observe(), info

    def step(self, action: NDArray[np.float32]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Holds the action for some frames, or until the episode ends; the rewards are summed."""
        steering, acceleration = np.clip(action, -1.0, 1.0)
        command = np.array([steering, max(acceleration, 0.0), MOST_BRAKE * max(-acceleration, 0.0)], np.float32)
        tiles = self._game.tile_visited_count
        reward, terminated, info = 0.0, False, {}
        for left in reversed(range(min(self._repeat, EPISODE_FRAMES - self._frames))):
            self._game.draws = left == 0
            _, earned, terminated, _, info = self._game.step(command)
            reward += float(earned)
            self._frames += 1
            if terminated:
                break
        self._idle_steps = 0 if self._game.tile_visited_count > tiles else self._idle_steps + 1
        given_up = 0 < self._patience <= self._idle_steps
        truncated = not terminated and (given_up or self._frames >= EPISODE_FRAMES)
        return self._observe(), reward, terminated, truncated, info

    def render(self) -> Any:
        """As CarRacing-v3."""
        return self._game.render()  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """As CarRacing-v3."""
        self._game.close()  # type: ignore[no-untyped-call]

    def _observe(self) -> Observation:
        assert self._game.car is not None, "after reset"
        velocity = self._game.car.hull.linearVelocity
        speed = np.array([np.hypot(velocity[0], velocity[1])], np.float32)
        return {"camera": self._game.state, "speed": speed}


class _SparselyDrawn(CarRacing):
    """CarRacing that keeps its last picture while `draws` is False."""

    draws = True
    state: NDArray[np.uint8]

    def _render(self, mode: str) -> Any:
        return self.state if mode == "state_pixels" and not self.draws else super()._render(mode)
