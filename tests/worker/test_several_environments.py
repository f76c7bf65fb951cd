"""One worker with several environments against a real learner: episodes interleave, and none mixes with another."""

import dataclasses
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import gymnasium
import numpy as np
import pytest
import torch

from distrib_l2r.tensor import Array
from learner_service import AsyncLearningNode
from learner_service.config import EnvironmentConfig, ExplorationConfig
from learner_service.replay.ring import DEAD
from tests.bare_client import eventually
from tests.fakes import CountingEnvironment, CountingPolicy
from tests.worker.test_worker import CONFIG, working
from worker_service import AsyncWorker, WorkerConfig

pytestmark = pytest.mark.usefixtures("fake_actor_exported_once")


class StaggeredEnvironment(CountingEnvironment):
    """Episodes of a length of the environment's own, so that those of several are never in step."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        answer = super().reset(seed=seed, options=options)
        self._length = 5 + self._seed % 7
        return answer


class AilingEnvironment(CountingEnvironment):
    """The second ever made fails in its third step; those made after it are sound."""

    made: ClassVar[int] = 0

    def __init__(self, step_seconds: float = 0.0) -> None:
        super().__init__(step_seconds=step_seconds)
        AilingEnvironment.made += 1
        self._ails = AilingEnvironment.made == 2

    def step(self, action: Array) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        if self._ails and self._step == 2:
            raise ConnectionError("the planted crash")
        return super().step(action)


class LonelyEnvironment(CountingEnvironment):
    """Says that a process may hold one."""

    metadata = {"render_modes": [], "max_environments_per_process": 1}  # noqa: RUF012  # as Env does


class JealousEnvironment(CountingEnvironment):
    """A process may hold one, and it does not say so."""

    made: ClassVar[int] = 0

    def __init__(self, step_seconds: float = 0.0) -> None:
        super().__init__(step_seconds=step_seconds)
        JealousEnvironment.made += 1
        if JealousEnvironment.made > 1:
            raise OSError("the port is taken")


for name in ("Staggered", "Ailing", "Lonely", "Jealous"):
    gymnasium.register(f"{name}-v0", f"{__name__}:{name}Environment", disable_env_checker=True)


@contextmanager
def learner(name: str, policy: CountingPolicy | None = None, **changes: Any) -> Iterator[AsyncLearningNode]:
    environment = EnvironmentConfig(env=f"{__name__}:{name}-v0", env_args=("step_seconds=0.0005",))
    config = dataclasses.replace(CONFIG, environment=environment, **changes)
    with AsyncLearningNode(policy or CountingPolicy(), config) as node:
        yield node


def transitions(node: AsyncLearningNode) -> tuple[Array, Array, Array]:
    """Observation, action and reward of each, in the order in which they were committed."""
    training = node.run.training
    assert training is not None
    ring = training.ring
    assert ring.written <= ring.capacity, "nothing is overwritten yet"
    with ring.lock:
        live = ring.ending != DEAD
        return ring.observation["observation"][live].copy(), ring.action[live].copy(), ring.reward[live].copy()


def test_each_environment_has_a_seed_and_whole_episodes_of_its_own() -> None:
    with learner("Staggered") as node:
        with working(node.address, envs_per_worker=3):
            eventually(lambda: node.status().transitions >= 300, "transitions arrive")
        observation, _, reward = transitions(node)
        assert sorted(set(observation[:, 2].tolist())) == [0, 1, 2], "seeds from the worker's own on"
        for seed in range(3):
            mine = observation[:, 2] == seed
            expected = np.arange(mine.sum()) % (5 + seed)
            assert observation[mine, 0].tolist() == expected.tolist(), "steps in order, without gap or repetition"
            assert reward[mine].tolist() == (expected + 1).tolist()
        assert node.status().workers[0].committed_sequence > 0


def test_every_action_is_that_of_its_own_observation() -> None:
    gate = threading.Event()
    policy = CountingPolicy(gate=gate)
    with torch.no_grad():
        policy.actor.linear.weight.mul_(0.1)
    actor = [tensor.detach().clone().numpy() for tensor in (policy.actor.linear.weight, policy.actor.linear.bias)]
    silent = ExplorationConfig(scales=(0.0,), hold_steps=(1,))
    with learner("Staggered", policy, exploration=silent) as node:
        with working(node.address, envs_per_worker=4):
            eventually(lambda: node.status().transitions >= 200, "transitions arrive")
        observation, action, _ = transitions(node)
        gate.set()
    np.testing.assert_allclose(action, np.tanh(observation @ actor[0].T + actor[1]), rtol=1e-5, atol=1e-6)


def test_environments_explore_differently() -> None:
    gate = threading.Event()
    policy = CountingPolicy(gate=gate)
    with torch.no_grad():
        policy.actor.linear.weight.zero_()
        policy.actor.linear.bias.zero_()
    with learner("Counting", policy) as node:
        with working(node.address, envs_per_worker=2):
            eventually(lambda: node.status().transitions >= 100, "transitions arrive")
        observation, action, _ = transitions(node)
        gate.set()
    noise = [np.arctanh(action[observation[:, 2] == seed][:40]) for seed in range(2)]
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.5
    assert all(len(np.unique(one)) == one.size for one in noise)


def test_new_versions_reach_environments_that_are_never_in_step() -> None:
    with learner("Staggered") as node, working(node.address, envs_per_worker=8):
        eventually(lambda: node.status().policy_version >= 4, "versions are published")
        for _ in range(3):
            reached = node.status().policy_version
            eventually(lambda: node.status().workers[0].policy_version > reached, "it acts on a newer one")  # noqa: B023


def test_one_that_fails_is_made_anew_while_the_others_go_on() -> None:
    AilingEnvironment.made = 0
    with learner("Ailing") as node:
        with working(node.address, envs_per_worker=3):
            eventually(lambda: AilingEnvironment.made == 4, "it is made anew")
            reached = node.status().transitions
            eventually(lambda: node.status().transitions >= reached + 600, "all go on")
        worker = node.status().workers[0]
        assert (worker.aborted_episodes, worker.abort_reason) == (1, "step raised ConnectionError: the planted crash")
        observation, _, reward = transitions(node)
    sound = reward[observation[:, 2] == 2].tolist()
    assert all(value == i % 10 + 1 for i, value in enumerate(sound))
    # The one made anew is given no seed again and tells 0, as the first does; the other two keep pace with each other.
    assert (observation[:, 2] == 0).sum() - 100 > len(sound) > 100
    assert worker.simulator_restarts == 1
    assert reward[observation[:, 2] == 1].tolist() == [1, 2], "the two sound steps"


def test_a_simulator_may_say_that_a_process_holds_one() -> None:
    with learner("Lonely") as node:
        worker = AsyncWorker(config=WorkerConfig(learner=node.address, name="tested", envs_per_worker=2))
        with pytest.raises(ValueError, match=r"envs_per_worker is 2; .*Lonely-v0 allows 1 in a process: start more"):
            worker.work()


def test_a_simulator_that_cannot_be_made_twice_ends_the_worker_with_the_remedy() -> None:
    JealousEnvironment.made = 0
    with learner("Jealous") as node:
        worker = AsyncWorker(config=WorkerConfig(learner=node.address, name="tested", envs_per_worker=2))
        with pytest.raises(
            ValueError, match=r"environment 2 .* \(making .* the port is taken\).* lower envs_per_worker"
        ):
            worker.work()


@pytest.mark.parametrize(
    ("role", "count", "sentence"),
    [
        ("collect", 0, "envs_per_worker is 0; it must be from 1 to 1000"),
        ("evaluate", 2, "envs_per_worker is 2; an evaluator drives one environment"),
    ],
)
def test_counts_that_make_no_sense_are_refused(role: Any, count: int, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        WorkerConfig(role=role, envs_per_worker=count)
