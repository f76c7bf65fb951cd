"""A worker against a real learner on port 0: what it drove is what the learner holds."""

import dataclasses
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch

from distrib_l2r.v1 import join_pb2
from learner_service import AsyncLearningNode, LearnerConfig
from learner_service.config import EnvironmentConfig, ExplorationConfig, FlowConfig, TransportConfig
from tests.bare_client import eventually
from tests.fakes import CountingPolicy
from tests.worker.rows import ring_rewards
from worker_service import AsyncWorker, WorkerConfig, recording, waiting
from worker_service.client import LearnerRefusedError
from worker_service.columns import Environment
from worker_service.recorded_episode import read_recording

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


def test_worker_records_every_second_episode_with_the_versions_that_drove_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Episodes of ten steps come as fast as a busy disk can open files.
    monkeypatch.setattr(recording, "CLOSE_SECONDS", 60.0)
    with learner() as node, working(node.address, record=tmp_path, record_every=2):
        eventually(lambda: node.status().transitions >= 100, "transitions arrive")
        eventually(lambda: len(list(tmp_path.glob("*.h5"))) >= 3, "recordings are written")
    episodes = [read_recording(path) for path in sorted(tmp_path.glob("*.h5"))]
    assert [episode.about["episode"] for episode in episodes] == list(range(0, 2 * len(episodes), 2))
    for episode in episodes[:-1]:
        assert (episode.ending, episode.environment) == ("truncated", "tests.fakes:Counting-v0")
        assert episode.arguments == {"step_seconds": 0.001}
        assert episode.reward.tolist() == list(range(1, 11))
        assert episode.policy_version.min() >= 1
    assert not list(tmp_path.glob(".*")), "and nothing half written"


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


FAULTS = {
    "raises": "step raised ConnectionError: the planted crash of the simulator",
    "exits": "step raised SystemExit: 3",
    "reward": "step returned the reward nan; it must be finite as float32",
    "infinite": "observation 'observation' is not finite: array([inf, inf, inf], dtype=float32)",
    "shape": "observation 'observation' is float32 (1,); its space is float32 (3,): correct the wrapper",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failing_simulator_is_made_anew_and_poisons_nothing(fault: str) -> None:
    with faulty_learner(fault) as node:
        with working(node.address):
            eventually(lambda: any(worker.aborted_episodes >= 2 for worker in node.status().workers), "it goes on")
        worker = node.status().workers[0]
        assert worker.abort_reason == FAULTS[fault]
        assert worker.simulator_restarts >= 1
        rewards = ring_rewards(node)
        assert all(reward == i % 7 + 1 for i, reward in enumerate(rewards)), "all 7 sound steps of each, no other"


@pytest.mark.parametrize("fault", ["reset raises", "reset is not finite"])
def test_a_failing_reset_is_told_by_the_count_of_restarts(fault: str) -> None:
    with faulty_learner(fault) as node:
        with working(node.address):
            eventually(lambda: any(worker.simulator_restarts >= 2 for worker in node.status().workers), "it goes on")
        assert node.status().workers[0].aborted_episodes == 0
        rewards = ring_rewards(node)
        assert all(reward == i % 10 + 1 for i, reward in enumerate(rewards))


def test_an_evaluator_whose_simulator_fails_goes_on_with_the_next_versions() -> None:
    with faulty_learner("raises") as node, working(node.address, role="evaluate"), working(node.address):
        eventually(
            lambda: any(w.role == join_pb2.ROLE_EVALUATE and w.policy_version > 2 for w in node.status().workers),
            "it evaluates a later version",
        )


def faulty_learner(fault: str) -> AsyncLearningNode:
    environment = EnvironmentConfig(
        env="tests.system.failing_environments:Faulty-v0", env_args=(f"fault={fault}", "step_seconds=0.001")
    )
    return AsyncLearningNode(CountingPolicy(), dataclasses.replace(CONFIG, environment=environment))


def test_a_policy_whose_actions_are_no_numbers_ends_neither_worker_nor_learner() -> None:
    policy = CountingPolicy()
    # Finite weights, so that they travel; their product with the first observations is not.
    with torch.no_grad():
        policy.actor.linear.weight.copy_(torch.tensor([[3e38, -3e38, 3e38]] * 2))
    with AsyncLearningNode(policy, CONFIG) as node:
        with working(node.address):
            eventually(lambda: any(w.simulator_restarts >= 2 for w in node.status().workers), "it goes on")
        assert not node.status().failure


def test_a_worker_with_a_full_buffer_says_why_it_waits_and_hands_its_newest_steps_over_when_it_stops(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "worker_service")
    monkeypatch.setattr(waiting, "REPORT_SECONDS", 0.1)
    gate = threading.Event()
    config = dataclasses.replace(CONFIG, flow=dataclasses.replace(CONFIG.flow, samples_per_insert_min=4.0))
    with AsyncLearningNode(CountingPolicy(gate=gate), config) as node:
        with working(node.address, buffer_chunks=2):
            eventually(lambda: "not stepping for" in caplog.text, "credit is withheld")
            (waiting_worker,) = node.status().workers
        (left,) = node.status().workers
        gate.set()
    assert "2 chunks (0.00 MB) wait to be acknowledged, and the learner is throttled" in caplog.text
    # Beside the two, the one that waited for room and, unless it ended an episode, one with the step under way.
    assert left.committed_sequence - waiting_worker.committed_sequence in (3, 4)
    assert "never acknowledged" not in caplog.text
    assert "the buffer takes at most 0.00 MB: 2 chunks of 4 steps, 0.1 kB each" in caplog.text


def test_a_worker_says_when_it_steps_again_and_how_long_it_waited(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "worker_service")
    monkeypatch.setattr(waiting, "REPORT_SECONDS", 0.1)
    gate = threading.Event()
    config = dataclasses.replace(CONFIG, flow=dataclasses.replace(CONFIG.flow, samples_per_insert_min=4.0))
    with AsyncLearningNode(CountingPolicy(gate=gate), config) as node, working(node.address, buffer_chunks=2):
        eventually(lambda: "not stepping for" in caplog.text, "credit is withheld")
        gate.set()
        eventually(lambda: "stepping again after" in caplog.text, "credit is back")


def test_a_worker_whose_space_is_wrong_ends_with_the_sentence_that_names_both() -> None:
    def widen(environment: Environment) -> Environment:
        box = gymnasium.spaces.Box(-np.inf, np.inf, (5,), np.float32)
        return gymnasium.wrappers.TransformObservation(environment, lambda row: np.resize(row, 5), box)

    with learner() as node:
        worker = AsyncWorker(env_wrapper=widen, config=WorkerConfig(learner=node.address, name="wide"))
        with pytest.raises(LearnerRefusedError, match=r"is float32 \(5,\); the run's is float32 \(3,\): update"):
            worker.work()


@pytest.mark.slow
def test_a_worker_that_loses_its_learner_waits_and_carries_on_with_its_successor(
    caplog: pytest.LogCaptureFixture,
) -> None:
    first = learner()
    address = first.start()
    port = int(address.rpartition(":")[2])
    with working(address):
        eventually(lambda: first.status().transitions >= 50, "the first learner gets data")
        eventually(lambda: first.status().workers[0].policy_version >= 3, "versions count on")
        first.stop()
        with learner(transport=TransportConfig(port=port)) as second:
            eventually(lambda: second.status().transitions >= 50, "the successor gets data")
            rewards = ring_rewards(second)
            steps = np.diff(rewards)
            assert set(steps.tolist()) <= {1.0, -9.0}, "what was kept arrives in order, without gap or repetition"
    assert "the learner that answers now began run 'run' anew" in caplog.text, "why a lower version is taken up"


def test_a_worker_without_a_learner_stops_when_told() -> None:
    with working("127.0.0.1:9"):
        pass
