"""Tracks and drives for the tests of the racing car."""

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import gymnasium
import numpy as np
import pytest
from numpy.typing import NDArray

from worker_service.simulators.racetrack import CarState, Racetrack
from worker_service.simulators.racetrack.track import Track

Action = NDArray[np.float32]

try:
    L2R_INSTALLED = version("l2r") == "0.0.2"
except PackageNotFoundError:
    L2R_INSTALLED = False
needs_l2r_maps = pytest.mark.skipif(
    not L2R_INSTALLED,
    reason="NOT TESTED: Learn-to-Race's real maps need the package l2r 0.0.2: pip install --no-deps l2r==0.0.2",
)


def action(steer: float, acceleration: float) -> Action:
    return np.array([steer, acceleration], np.float32)


def circle_track(radius_metres: float = 100.0, half_width_metres: float = 5.0, clockwise: bool = False) -> Track:
    angle = np.linspace(0.0, 2.0 * np.pi, 2000, endpoint=False) * (-1.0 if clockwise else 1.0)
    points = radius_metres * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return Track.from_points("circle", points, half_width_metres, half_width_metres)


def make(**arguments: Any) -> Racetrack:
    environment = gymnasium.make("worker_service.simulators.racetrack:Racetrack-v0", **arguments)
    assert isinstance(environment, Racetrack), "make wraps the environment, which costs as much as a step"
    return environment


@dataclass
class Drive:
    """What an episode gave."""

    rewards: list[float] = field(default_factory=list)
    laps: list[dict[str, Any]] = field(default_factory=list)
    states: list[CarState] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)
    terminated: bool = False


def drive(environment: Racetrack, policy: Callable[[CarState], Action]) -> Drive:
    """From after a reset to the episode's end."""
    result = Drive()
    truncated = False
    while not (result.terminated or truncated):
        _, reward, result.terminated, truncated, info = environment.step(policy(environment.state))
        result.rewards.append(reward)
        result.states.append(environment.state)
        if "lap" in info:
            result.laps.append(info["lap"])
        result.metrics = info.get("metrics", {})
    return result
