"""The racing car seen through its camera."""

from typing import Any

import gymnasium
import numpy as np

from worker_service.environment import Environment


def camera_and_speed(environment: Environment) -> Environment:
    """Of `Racetrack-v0` with a camera the picture, and how the car moves: forwards, sideways, turning; not the road.

    For a worker's `--env-wrapper`.
    """
    inside = environment.observation_space
    assert isinstance(inside, gymnasium.spaces.Dict), "the camera is on"
    speed = gymnasium.spaces.Box(-np.inf, np.inf, (3,), np.float32)
    space = gymnasium.spaces.Dict({"camera": inside["camera"], "speed": speed})

    def seen(observation: dict[str, Any]) -> dict[str, Any]:
        return {"camera": observation["camera"], "speed": observation["observation"][3:6]}

    return gymnasium.wrappers.TransformObservation(environment, seen, space)
