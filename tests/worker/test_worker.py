"""A worker against a real learner on port 0: what it drove is what the learner holds."""

import dataclasses
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import gymnasium
import numpy as np
import pytest

from learner_service import AsyncLearningNode, LearnerConfig
from learner_service.config import EnvironmentConfig, ExplorationConfig, FlowConfig, TransportConfig
from learner_service.replay.ring import DEAD
from tests.bare_client import eventually
from tests.fakes import CountingPolicy
from worker_service import AsyncWorker, WorkerConfig
from worker_service.client import LearnerRefusedError
from worker_service.environment import Environment

pytestmark = pytest.mark.usefixtures("fake_actor_exported_once")

CONFIG = LearnerConfig(
    transport=TransportConfig(port=0),
    environment=EnvironmentConfig(env="tests.fakes:Counting-v0", env_args=("step_seconds=0.001",)),
    exploration=ExplorationConfig(scales=(1.0,), hold_steps=(1,)),
    flow=FlowConfig(
        min_transitions=32,
        replay_capacity=4096,
        chunk_length=4,
        samples_per_insert_min=0.0,
        samples_per_insert_max=8.0,
        publish_period_seconds=0.02,
    ),
    evaluation_episodes=2,
)


def learner(env: str = "Counting", **changes: object) -> AsyncLearningNode:
    environment = EnvironmentConfig(env=f"tests.fakes:{env}-v0", env_args=("step_seconds=0.001",))
    config = dataclasses.replace(CONFIG, environment=environment, **changes)  # type: ignore[arg-type]
    return AsyncLearningNode(CountingPolicy(), config)


@contextmanager
def working(address: str, **fields: object) -> Iterator[AsyncWorker]:
    """A worker on a thread of its own, stopped and joined at the end."""
    config = WorkerConfig(learner=address, name="tested", **fields)  # type: ignore[arg-type]
    worker = AsyncWorker(config=config)
    thread = threading.Thread(target=worker.work, name="worker-under-test")
    thread.start()
    try:
        yield worker
    finally:
        worker.stop()
        thread.join(10)
        assert not thread.is_alive(), "the worker stops"


def test_what_the_worker_drove_is_what_replay_holds() -> None:
    with learner() as node:
        with working(node.address):
            eventually(lambda: node.status().transitions >= 200, "transitions arrive")
        training = node.run.training
        assert training is not None
        ring = training.ring
        status = node.status()
        assert status.workers[0].committed_sequence > 0
        assert status.transitions == ring.inserted
        # Rows tell their step: rewards of an episode count from 1 to 10, without gap or repetition.
        rewards = ring_rewards(node)
        assert len(rewards) == ring.inserted
        assert all(reward == i % 10 + 1 for i, reward in enumerate(rewards))
        assert status.workers[0].episodes == len(rewards) // 10


def ring_rewards(node: AsyncLearningNode) -> list[float]:
    """Rewards in the order they were added, tails left out."""
    training = node.run.training
    assert training is not None
    ring = training.ring
    assert ring.written <= ring.capacity, "nothing is overwritten yet"
    with ring.lock:
        rewards: list[float] = ring.reward[ring.ending != DEAD].tolist()
    return rewards


def test_new_versions_reach_a_driving_worker_between_steps() -> None:
    with learner() as node, working(node.address):
        eventually(lambda: node.status().policy_version >= 4, "versions are published")
        reached = node.status().policy_version
        eventually(lambda: node.status().workers[0].policy_version >= reached, "the worker acts on a newer version")
        ages = {bucket.max_versions_behind: bucket.transitions for bucket in node.status().staleness}
        fresh = sum(transitions for behind, transitions in ages.items() if behind <= 4)
        assert fresh >= 0.9 * sum(ages.values()), ages


def test_an_evaluator_reports_versions_and_their_laps() -> None:
    with learner() as node, working(node.address), working(node.address, role="evaluate"):
        eventually(lambda: node.status().HasField("best_evaluation"), "an evaluation completes")
        status = node.status()
        assert status.newest_evaluation.episodes == 2
        assert status.newest_evaluation.mean_return == 55.0
        assert status.best_evaluation.best_lap_seconds == 12.5
        assert status.best_evaluation.clean_fraction == 0.5
        assert status.first_lap.lap.time_seconds == 12.5
        eventually(
            lambda: node.status().newest_evaluation.policy_version > status.newest_evaluation.policy_version,
            "newer versions are evaluated too",
        )


@pytest.mark.parametrize("env", ["Failing", "NotANumber"])
def test_a_failing_simulator_is_restarted_and_poisons_nothing(env: str) -> None:
    with learner(env) as node:
        with working(node.address):
            eventually(lambda: any(worker.aborted_episodes >= 2 for worker in node.status().workers), "it goes on")
        rewards = ring_rewards(node)
        assert np.isfinite(rewards).all()
        assert all(reward == i % 7 + 1 for i, reward in enumerate(rewards)), "all 7 sound steps of each, no other"


def test_a_worker_whose_space_is_wrong_ends_with_the_sentence_that_names_both() -> None:
    def widen(environment: Environment) -> Environment:
        box = gymnasium.spaces.Box(-np.inf, np.inf, (5,), np.float32)
        return gymnasium.wrappers.TransformObservation(environment, lambda row: np.resize(row, 5), box)

    with learner() as node:
        worker = AsyncWorker(env_wrapper=widen, config=WorkerConfig(learner=node.address, name="wide"))
        with pytest.raises(LearnerRefusedError, match=r"is float32 \(5,\); the run's is float32 \(3,\): update"):
            worker.work()


def test_a_worker_that_loses_its_learner_waits_and_carries_on_with_its_successor() -> None:
    first = learner()
    address = first.start()
    port = int(address.rpartition(":")[2])
    with working(address):
        eventually(lambda: first.status().transitions >= 50, "the first learner gets data")
        first.stop()
        with learner(transport=TransportConfig(port=port)) as second:
            eventually(lambda: second.status().transitions >= 50, "the successor gets data")
            rewards = ring_rewards(second)
            steps = np.diff(rewards)
            assert set(steps.tolist()) <= {1.0, -9.0}, "what was kept arrives in order, without gap or repetition"


def test_a_worker_without_a_learner_stops_when_told() -> None:
    with working("127.0.0.1:9"):
        pass
