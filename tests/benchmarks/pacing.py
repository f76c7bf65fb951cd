"""Simulators held to a wall-clock rate, as those that run in real time are.

python -m worker_service --env-wrapper tests.benchmarks.pacing:paced
"""

import os
import time
from collections.abc import Callable
from typing import Any, Final

import gymnasium

RATE_VARIABLE: Final = "PACED_STEPS_PER_SECOND"
"""The environment variable that tells `paced` the rate."""


class Pace:
    """A schedule of steps at a fixed rate.

    Times are absolute, so that the overshoot of one sleep shortens the next and the rate does not drift. Whoever comes
    more than a period late has missed those steps: the schedule goes on from there, and nothing is made up in a burst.
    """

    def __init__(
        self,
        steps_per_second: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        if not steps_per_second > 0:
            raise ValueError(f"steps_per_second is {steps_per_second}; it must be above 0")
        self._period_seconds = 1.0 / steps_per_second
        self._clock = clock
        self._sleep = sleep
        self._due = clock()

    def wait(self) -> None:
        """Returns when the next step is due."""
        self._due += self._period_seconds
        now = self._clock()
        if now < self._due:
            self._sleep(self._due - now)
        elif now - self._due > self._period_seconds:
            self._due = now


class Paced(gymnasium.Wrapper[Any, Any, Any, Any]):
    """An environment whose steps take as long as a real-time simulator's; resets take no time."""

    def __init__(self, environment: gymnasium.Env[Any, Any], pace: Pace) -> None:
        super().__init__(environment)
        self._pace = pace

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        self._pace.wait()
        return super().step(action)


def paced(environment: gymnasium.Env[Any, Any]) -> Paced:
    """The environment at the rate of `RATE_VARIABLE`, for a worker's `--env-wrapper`."""
    return Paced(environment, Pace(float(os.environ[RATE_VARIABLE])))
