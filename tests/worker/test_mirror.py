"""Workers drive mirrored pairs where a version asks for them, against a real learner."""

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
from learner_service.config import EnvironmentConfig
from learner_service.mirrored.episode_pairs import Pair
from learner_service.replay.sampling import Sampling
from tests.bare_client import eventually
from tests.fakes import CountingEnvironment, CountingPolicy
from tests.worker.test_worker import CONFIG, working
from worker_service import rollout
from worker_service.exploration import HeldNoise
from worker_service.mirror import Mirror

pytestmark = pytest.mark.usefixtures("fake_actor_exported_once")

STEPS = 10


class StumblingEnvironment(CountingEnvironment):
    """Every fifth episode fails in its fourth step."""

    episodes: ClassVar[int] = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        StumblingEnvironment.episodes += 1
        return super().reset(seed=seed, options=options)

    def step(self, action: Array) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        if StumblingEnvironment.episodes % 5 == 0 and self._step == 3:
            raise ConnectionError("the planted crash")
        return super().step(action)


gymnasium.register("Stumbling-v0", f"{__name__}:StumblingEnvironment", disable_env_checker=True)


class MirroredPolicy(CountingPolicy):
    """Its versions are to be driven in mirrored pairs; without noise it does nothing."""

    def __init__(self, gate: threading.Event | None = None) -> None:
        super().__init__(gate=gate)
        self.sampling = Sampling(batch_size=8, n_step=1, mirrored_noise=0.5)
        with torch.no_grad():
            self.actor.linear.weight.zero_()
            self.actor.linear.bias.zero_()


@contextmanager
def learner(policy: CountingPolicy, env: str = "tests.fakes:Counting-v0") -> Iterator[AsyncLearningNode]:
    environment = EnvironmentConfig(env=env, env_args=("step_seconds=0.0005",))
    with AsyncLearningNode(policy, dataclasses.replace(CONFIG, environment=environment)) as node:
        assert node.run.training is not None
        node.run.training.pairs = pairs = type(node.run.training.pairs)(wanted=1000)
        pairs.gathers = True
        yield node


def driven(node: AsyncLearningNode, count: int, **worker: Any) -> list[Pair]:
    assert node.run.training is not None
    pairs = node.run.training.pairs
    found: list[Pair] = []

    def enough() -> bool:
        found.extend(pairs.take())
        return len(found) >= count

    with working(node.address, **worker):
        eventually(enough, "pairs arrive", 30)
    return found


def test_pairs_begin_alike_and_their_noise_is_mirrored() -> None:
    gate = threading.Event()
    with learner(MirroredPolicy(gate)) as node:
        pairs = driven(node, 12)
        gate.set()
    for pair in pairs:
        assert pair.length == STEPS
        first, second = pair.observation["observation"]
        assert (first[:, [0, 2]] == second[:, [0, 2]]).all(), "the same steps from the same seed"
        assert (first[0, 1], second[0, 1] - first[0, 1]) != (0, 0)
        np.testing.assert_allclose(pair.action[0], -pair.action[1], rtol=1e-5, atol=1e-6)
        assert np.abs(pair.action).mean() > 0.2
    seeds = [pair.observation["observation"][0, 0, 2] for pair in pairs]
    assert len(set(seeds)) == len(seeds), "each pair has a seed of its own"
    noise = np.stack([pair.action[0] for pair in pairs]).reshape(len(pairs), -1)
    assert len(np.unique(noise.round(6), axis=0)) == len(pairs)


def test_one_version_drives_a_whole_pair_however_often_versions_come() -> None:
    with learner(MirroredPolicy()) as node:
        pairs = driven(node, 30)
        assert node.status().policy_version > 3
    # A pair reaches only as far as one version drove both.
    assert [pair.length for pair in pairs] == [STEPS] * len(pairs)


def test_pairs_of_several_environments_do_not_mix() -> None:
    gate = threading.Event()
    with learner(MirroredPolicy(gate)) as node:
        pairs = driven(node, 20, envs_per_worker=3)
        gate.set()
    for pair in pairs:
        assert len(set(pair.observation["observation"][:, :, 2].ravel().tolist())) == 1
        np.testing.assert_allclose(pair.action[0], -pair.action[1], rtol=1e-5, atol=1e-6)


def test_an_episode_that_failed_is_not_mirrored() -> None:
    gate = threading.Event()
    StumblingEnvironment.episodes = 0
    with learner(MirroredPolicy(gate), f"{__name__}:Stumbling-v0") as node:
        pairs = driven(node, 6)
        gate.set()
    for pair in pairs:
        assert pair.length == STEPS
        np.testing.assert_allclose(pair.action[0], -pair.action[1], rtol=1e-5, atol=1e-6)


def test_episodes_without_end_do_not_keep_new_versions_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollout, "MOST_ROUNDS_IN_PAIR", 50)
    environment = EnvironmentConfig(env="tests.fakes:Counting-v0", env_args=("length=1000000", "step_seconds=0.0005"))
    config = dataclasses.replace(CONFIG, environment=environment)
    with AsyncLearningNode(MirroredPolicy(), config) as node, working(node.address):
        eventually(lambda: any(each.policy_version > 4 for each in node.status().workers), "newer versions drive")


def test_without_the_wish_nothing_is_mirrored() -> None:
    with learner(CountingPolicy()) as node:
        training = node.run.training
        assert training is not None
        with working(node.address):
            eventually(lambda: node.status().transitions >= 100, "transitions arrive")
        assert training.pairs.take() == []


def test_a_broken_episode_begins_another_pair() -> None:
    mirror, noise = Mirror(3), HeldNoise(2, scale=1.0, hold_steps=1, seed=0)
    seed, mirror_of = mirror.next(noise, 1.0)
    assert (mirror_of, mirror.in_pair) == (0, True)
    mirror.broken()
    assert not mirror.in_pair
    other, mirror_of = mirror.next(noise, 1.0)
    assert other != seed
    assert mirror_of == 0
    mirror.ended(5)
    assert mirror.in_pair
    assert mirror.next(noise, 1.0) == (other, 5)
    mirror.ended(6)
    assert not mirror.in_pair
    third, mirror_of = mirror.next(noise, 1.0)
    assert third not in (seed, other)
    assert mirror_of == 0
