import math
from typing import Any

import gymnasium
import numpy as np
import pytest

from tests.benchmarks.pacing import RATE_VARIABLE, Pace, Paced, paced


class FakeTime:
    """A clock that only sleeping, which may oversleep, and working move."""

    def __init__(self, oversleep_seconds: float = 0.0) -> None:
        self.now = 100.0
        self._oversleep_seconds = oversleep_seconds

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds + self._oversleep_seconds

    def work(self, seconds: float) -> None:
        self.now += seconds


class Still(gymnasium.Env[Any, Any]):
    """Does nothing."""

    observation_space = gymnasium.spaces.Box(0.0, 1.0, (1,), np.float32)
    action_space = gymnasium.spaces.Box(0.0, 1.0, (1,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return np.zeros(1, np.float32), 1.0, False, False, {}


def test_the_rate_does_not_drift_when_work_takes_time_and_sleep_overshoots() -> None:
    time = FakeTime(oversleep_seconds=0.003)
    pace = Pace(20, clock=time.clock, sleep=time.sleep)
    for _ in range(1000):
        time.work(0.01)
        pace.wait()
    assert time.now - 100.0 == pytest.approx(1000 / 20, abs=0.004)


def test_no_step_comes_before_it_is_due() -> None:
    time = FakeTime()
    pace = Pace(20, clock=time.clock, sleep=time.sleep)
    for step in range(1, 100):
        time.work(0.001 * (step % 7))
        pace.wait()
        assert time.now >= 100.0 + step / 20 - 1e-9


def test_steps_missed_in_a_long_wait_are_not_made_up() -> None:
    time = FakeTime()
    pace = Pace(20, clock=time.clock, sleep=time.sleep)
    pace.wait()
    time.work(30.0)
    pace.wait()
    late = time.now
    for _ in range(10):
        pace.wait()
    assert time.now - late == pytest.approx(10 / 20)


def test_a_paced_environment_waits_in_every_step_and_passes_it_on() -> None:
    time = FakeTime()
    environment = Paced(Still(), Pace(25, clock=time.clock, sleep=time.sleep))
    environment.reset(seed=0)
    assert time.now == 100.0
    for _ in range(5):
        assert environment.step(np.zeros(1, np.float32))[1] == 1.0
    assert math.isclose(time.now, 100.2)


def test_the_wrapper_of_a_worker_takes_its_rate_from_the_environment_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RATE_VARIABLE, "1e9")
    environment = paced(Still())
    environment.reset(seed=0)
    assert environment.step(np.zeros(1, np.float32))[1] == 1.0


@pytest.mark.parametrize("rate", [0.0, -1.0, math.nan])
def test_a_rate_that_is_not_above_0_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match=r"steps_per_second is .*; it must be above 0"):
        Pace(rate)
