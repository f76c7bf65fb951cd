"""Whatever a simulator does ends the episode with a sentence, and nothing unusable gets through."""

from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np
import pytest

from tests.fakes import ACTION_SIZE, CountingEnvironment
from tests.system.failing_environments import FaultyEnvironment
from worker_service.columns import Environment
from worker_service.deadline import DeadlineWatch
from worker_service.simulator import FEW, Simulator, SimulatorFailedError, all_finite

ACTION = np.zeros(ACTION_SIZE, np.float32)


@pytest.fixture
def watch() -> Iterator[DeadlineWatch]:
    def unexpected(sentence: str) -> None:
        raise AssertionError(sentence)

    watch = DeadlineWatch(unexpected)
    watch.start()
    yield watch
    watch.close()


def simulator(watch: DeadlineWatch, *environments: Environment) -> Simulator:
    queue = list(environments)
    return Simulator(lambda: queue.pop(0), watch, step_seconds=30, reset_seconds=60)


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ("raises", "step raised ConnectionError: the planted crash of the simulator"),
        ("exits", "step raised SystemExit: 3"),
        ("reward", "step returned the reward nan; it must be finite as float32"),
        ("reward too large", r"step returned the reward 1e\+39; it must be finite as float32"),
        ("no reward", "step returned .*; it must be observation, reward, terminated, truncated, info"),
        ("infinite", "observation 'observation' is not finite"),
        ("shape", r"observation 'observation' is float32 \(1,\); its space is float32 \(3,\): correct the wrapper"),
        ("kind", r"observation 'observation' is int64 \(3,\); its space is float32"),
        ("five", "step returned .*; it must be observation, reward, terminated, truncated, info"),
    ],
)
def test_each_fault_of_a_step_is_named(watch: DeadlineWatch, fault: str, sentence: str) -> None:
    faulty = simulator(watch, FaultyEnvironment(fault))
    faulty.make()
    faulty.reset(1)
    for _ in range(7):
        faulty.step(ACTION)
    with pytest.raises(SimulatorFailedError, match=sentence):
        faulty.step(ACTION)


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [("reset raises", "reset raised ConnectionError"), ("reset is not finite", "is not finite")],
)
def test_each_fault_of_a_reset_is_named(watch: DeadlineWatch, fault: str, sentence: str) -> None:
    faulty = simulator(watch, FaultyEnvironment(fault))
    faulty.make()
    FaultyEnvironment.resets = 1
    with pytest.raises(SimulatorFailedError, match=sentence):
        faulty.reset(1)


class Wide(CountingEnvironment):
    """Tells its observations in twice the precision, as many environments do."""

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        observation, info = super().reset(**options)
        return observation.astype(np.float64), info


def test_floats_of_another_width_are_converted(watch: DeadlineWatch) -> None:
    wide = simulator(watch, Wide())
    wide.make()
    assert wide.reset(5)["observation"].dtype == np.float32


class Meddling(CountingEnvironment):
    """Changes the action it is given."""

    def step(self, action: Any) -> Any:
        answer = super().step(action)
        action += 100
        return answer


def test_an_environment_that_changes_its_action_changes_a_copy(watch: DeadlineWatch) -> None:
    meddling = simulator(watch, Meddling())
    meddling.make()
    meddling.reset(1)
    action = ACTION.copy()
    meddling.step(action)
    assert (action == ACTION).all()


class Changed(CountingEnvironment):
    """Comes back with another observation space."""

    observation_space = gymnasium.spaces.Box(-1, 1, (9,), np.float32)


def test_an_environment_made_anew_with_other_spaces_is_refused(watch: DeadlineWatch) -> None:
    changed = simulator(watch, CountingEnvironment(), Changed())
    changed.make()
    changed.close()
    assert not changed.made
    with pytest.raises(SimulatorFailedError, match=r"made anew differs: .* is float32 \(9,\); the first one's is"):
        changed.make()
    assert not changed.made


class Unclosable(CountingEnvironment):
    """Fails while it is closed."""

    def close(self) -> None:
        raise OSError("the planted failure")


def test_an_environment_that_fails_to_close_is_left_behind_and_told_of(
    watch: DeadlineWatch, caplog: pytest.LogCaptureFixture
) -> None:
    unclosable = simulator(watch, Unclosable())
    unclosable.make()
    unclosable.close()
    assert not unclosable.made
    assert "the simulator failed while it was closed" in caplog.text


@pytest.mark.parametrize("size", [1, 59, FEW + 1])
@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4"])
def test_one_number_that_is_not_finite_is_found_among_any_others(dtype: str, size: int) -> None:
    largest = np.finfo(dtype).max
    for finite in (
        np.linspace(-1, 1, size).astype(dtype),
        np.full(size, largest, dtype),
        np.full(size, -largest, dtype),
    ):
        assert all_finite(finite)
        for number in (np.nan, -np.nan, np.inf, -np.inf):
            array = finite.copy()
            array[size // 2] = number
            assert not all_finite(array)
            assert not all_finite(array[::-1])
