"""Simulators that hang, fail, or return what cannot be used; registered by importing this module."""

import ctypes
import math
import sys
from pathlib import Path
from typing import Any, ClassVar

import gymnasium
import numpy as np

from distrib_l2r.tensor import Array
from tests.fakes import OBSERVATION_SIZE, CountingEnvironment

StepAnswer = tuple[Array, float, bool, bool, dict[str, Any]]


def hang() -> None:
    """Never returns, in native code that no signal interrupts: it locks a mutex that it has locked."""
    library = ctypes.CDLL(None)
    mutex = ctypes.create_string_buffer(64)  # zeros are an unlocked mutex
    library.pthread_mutex_lock(mutex)
    library.pthread_mutex_lock(mutex)


class HangsEnvironment(CountingEnvironment):
    """Hangs in `where`, step, reset or make, once there is a file `marker`, which it removes: it hangs once."""

    def __init__(self, marker: str, where: str = "step", step_seconds: float = 0.0) -> None:
        super().__init__(step_seconds=step_seconds)
        self._marker, self._where = Path(marker), where
        self._hang_if_due("make")

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        self._hang_if_due("reset")
        return super().reset(seed=seed, options=options)

    def step(self, action: Array) -> StepAnswer:
        self._hang_if_due("step")
        return super().step(action)

    def _hang_if_due(self, where: str) -> None:
        if where == self._where and self._marker.exists():
            self._marker.unlink()
            hang()


class FaultyEnvironment(CountingEnvironment):
    """Sound for 7 steps of each episode; `fault` says what the 8th, or every second reset, does."""

    resets: ClassVar[int] = 0

    def __init__(self, fault: str, step_seconds: float = 0.0) -> None:
        super().__init__(step_seconds=step_seconds)
        self._fault = fault

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        FaultyEnvironment.resets += 1
        first = super().reset(seed=seed, options=options)
        if FaultyEnvironment.resets % 2:
            return first
        match self._fault:
            case "reset raises":
                raise ConnectionError("the planted crash of the simulator")
            case "reset is not finite":
                return np.full(OBSERVATION_SIZE, np.nan, np.float32), {}
            case _:
                return first

    def step(self, action: Array) -> StepAnswer:
        observation, reward, terminated, truncated, info = super().step(action)
        if self._step != 8 or self._fault.startswith("reset"):
            return observation, reward, terminated, truncated, info
        match self._fault:
            case "raises":
                raise ConnectionError("the planted crash of the simulator")
            case "exits":
                sys.exit(3)
            case "reward":
                reward = math.nan
            case "reward too large":
                reward = 1e39
            case "no reward":
                reward = None  # type: ignore[assignment]
            case "infinite":
                observation = np.full_like(observation, np.inf)
            case "shape":
                observation = observation[:1]
            case "kind":
                observation = observation.astype(np.int64)
            case "five":
                return observation, reward, terminated, truncated  # type: ignore[return-value]
        return observation, reward, terminated, truncated, info


for name in ("Hangs", "Faulty"):
    gymnasium.register(f"{name}-v0", f"{__name__}:{name}Environment", disable_env_checker=True)
