"""How fast the embedded car runs on one core.

    python -m tests.benchmarks.racetrack_steps

Prints a JSON line per row: steps per second of `step` through `gymnasium.make`, episodes' resets included, and frames
per second of the front camera. The baseline is the same loop around an environment that does nothing but return a
fresh observation of the same shape: the most that Python allows. Seconds are CPU seconds, the best of five rounds, so
that other work on the machine counts little.
"""

import json
import time
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from worker_service.simulators import racetrack

STEPS = 20_000
FRAMES = 4_000
ROUNDS = 5
CAMERA_PIXELS = 96


class Trivial(gymnasium.Env[NDArray[Any], NDArray[np.float32]]):
    """Returns zeros."""

    def __init__(self, space: spaces.Box) -> None:
        self.observation_space = space
        self._shape, self._dtype = space.shape, space.dtype

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        return np.zeros(self._shape, self._dtype), {}

    def step(self, action: NDArray[np.float32]) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return np.zeros(self._shape, self._dtype), 0.0, False, False, {}


def steps_per_second(environment: gymnasium.Env[Any, Any], steps: int) -> float:
    """The best of `ROUNDS`, with gentle random actions: full throttle alone would mostly measure crashes."""
    random = np.random.default_rng(0)
    actions = list(random.uniform([-0.1, -0.2], [0.1, 0.4], (steps, 2)).astype(np.float32))
    environment.reset(seed=0)
    best = 0.0
    for _ in range(ROUNDS):
        start = time.process_time()
        for action in actions:
            _, _, terminated, truncated, _ = environment.step(action)
            if terminated or truncated:
                environment.reset()
        best = max(best, steps / (time.process_time() - start))
    return best


def row(name: str, value: float, unit: str, baseline: float) -> str:
    """One line of JSON."""
    figures = {"value": round(value), "unit": unit, "baseline": round(baseline), "ratio": round(value / baseline, 4)}
    return json.dumps({"name": name, **figures})


def main() -> None:
    """Measures and prints both rows."""
    environment = gymnasium.make("Racetrack-v0")
    assert isinstance(environment, racetrack.Racetrack)
    assert isinstance(environment.observation_space, spaces.Box)
    value = steps_per_second(environment, STEPS)
    print(row("racetrack step", value, "steps/s", steps_per_second(Trivial(environment.observation_space), STEPS)))

    environment = gymnasium.make("Racetrack-v0", camera=CAMERA_PIXELS)
    assert isinstance(environment.observation_space, spaces.Dict)
    image = environment.observation_space["camera"]
    assert isinstance(image, spaces.Box)
    value = steps_per_second(environment, FRAMES)
    print(
        row(f"racetrack step with camera {CAMERA_PIXELS}", value, "frames/s", steps_per_second(Trivial(image), FRAMES))
    )


if __name__ == "__main__":
    main()
