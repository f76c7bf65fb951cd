"""CarRacingCamera-v0 is CarRacing-v3 with repeated actions, and nothing else."""

from typing import Any

import gymnasium
import numpy as np
import pytest

from worker_service.environment import make_environment

REPEAT = 4

# Box2D and pygame warn as they are imported, in native code that an exception ends.
pytestmark = pytest.mark.filterwarnings("ignore")


def actions(seed: int, count: int) -> Any:
    return np.random.default_rng(seed).uniform([-0.3, -0.2], [0.3, 0.6], (count, 2)).astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [3, 4])
def test_pictures_rewards_and_ends_are_those_of_car_racing(seed: int) -> None:
    ours, plain = make_environment("CarRacingCamera-v0"), gymnasium.make("CarRacing-v3", disable_env_checker=True)
    observation, picture = ours.reset(seed=seed)[0], plain.reset(seed=seed)[0]
    total = expected = 0.0
    ends: tuple[bool, bool] = (False, False)
    for steering, acceleration in actions(seed, 300):
        np.testing.assert_array_equal(observation["camera"], picture)
        assert ours.observation_space.contains(observation)
        observation, reward, *ends, _ = ours.step(np.array([steering, acceleration]))  # type: ignore[assignment]
        total += float(reward)
        plain_ends = (False, False)
        command = np.array([steering, max(acceleration, 0), np.float32(0.8) * max(-acceleration, np.float32(0))])
        for _ in range(REPEAT):
            picture, earned, *plain_ends, _ = plain.step(command)  # type: ignore[assignment]
            expected += float(earned)
            if any(plain_ends):
                break
        assert list(ends) == list(plain_ends)
        if any(ends):
            break
    assert any(ends)
    assert total == pytest.approx(expected, abs=1e-9)
    ours.close()
    plain.close()


def test_impatient_training_ends_where_no_tile_comes() -> None:
    environment = make_environment("CarRacingCamera-v0", {"patience": 5})
    environment.reset(seed=0)
    steps = [environment.step(np.zeros(2, np.float32))[2:4] for _ in range(8)]
    assert True in [truncated for _, truncated in steps]
    assert not any(terminated for terminated, _ in steps)
    environment.close()


def test_speed_rises_with_gas_and_falls_with_the_brake() -> None:
    environment = make_environment("CarRacingCamera-v0")
    environment.reset(seed=0)
    gas, brake = np.array([0.0, 1.0], np.float32), np.array([0.0, -1.0], np.float32)
    speeds = [float(environment.step(action)[0]["speed"][0]) for action in [gas] * 12 + [brake] * 12]
    assert speeds[11] > 20.0
    assert speeds[23] < speeds[11] - 10.0
    environment.close()


@pytest.mark.parametrize("arguments", [{"repeat": 0}, {"patience": -1}])
def test_wrong_arguments_are_refused(arguments: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="they must be at least 1 and 0"):
        make_environment("CarRacingCamera-v0", arguments)
