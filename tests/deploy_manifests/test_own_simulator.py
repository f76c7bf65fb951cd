"""The example of a simulator of one's own is one that a worker can drive."""

import numpy as np
import pytest

from tests.deploy_manifests.manifests import DEPLOY, instructions
from worker_service.environment import environment_spaces, make_environment

FOLDER = DEPLOY / "docker" / "own-simulator"


def test_a_worker_can_drive_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    environment = make_environment("my_simulator:DoubleIntegrator-v0")
    spaces = environment_spaces(environment)
    assert (spaces.observation["observation"].shape, spaces.action.shape) == ((2,), (1,))
    observation, _ = environment.reset(seed=1)
    returns = 0.0
    ended = False
    while not ended:
        position, speed = observation
        action = np.array([np.clip(-2.0 * position - 2.0 * speed, -1.0, 1.0)], np.float32)
        observation, reward, terminated, truncated, _ = environment.step(action)
        returns += float(reward)
        ended = terminated or truncated
    assert abs(observation[0]) < 0.05, "a controller of two gains brings it to rest"
    assert returns < 0.0


def test_its_image_is_a_few_lines_on_ours() -> None:
    given = list(instructions(FOLDER / "Dockerfile"))
    assert [name for name, _ in given] == ["ARG", "FROM", "COPY", "ENV"]
    assert given[0][1].startswith("WORKER=distributed-l2r/worker-base:")
