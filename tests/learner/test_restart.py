"""A learner that comes back: what it still knows, and how sessions go on."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import grpc
import numpy as np
import pytest

from distrib_l2r.spaces import Box, Spaces
from distrib_l2r.trajectory import Ending, EpisodeSummary, Purpose
from learner_service import AsyncLearningNode, LearnerConfig
from learner_service import run as run_module
from learner_service.config import EnvironmentConfig, StorageConfig
from tests.bare_client import BareClient, chunk_request, eventually
from tests.fakes import SPACES, CountingPolicy
from tests.learner.settings import CONFIG, refusal

pytestmark = pytest.mark.usefixtures("fake_actor_exported_once")


@pytest.fixture
def config(tmp_path: Path) -> LearnerConfig:
    return replace(CONFIG, run_dir=tmp_path / "run")


@contextmanager
def learner(config: LearnerConfig, session_id: str = "session-1") -> Iterator[tuple[AsyncLearningNode, BareClient]]:
    with AsyncLearningNode(CountingPolicy(), config) as node, BareClient(node.address, session_id) as client:
        yield node, client


def test_a_session_goes_on_where_the_last_learner_acknowledged_it(config: LearnerConfig) -> None:
    with learner(config) as (_, client):
        assignment = client.join().assignment
        client.push(client.header(), chunk_request(1), chunk_request(2, first_step=4))
    with learner(config) as (_, client):
        assert client.join().assignment == assignment
        answers = client.push(client.header(), chunk_request(2, first_step=4), chunk_request(3, first_step=8))
        assert answers[0].committed_sequence == 2
        assert answers[-1].committed_sequence == 3
        status = client.status()
        assert (status.transitions, status.transitions_in_replay, status.learner_starts) == (12, 12, 2)
        assert status.workers[0].transitions == 12


def test_evaluation_chunks_are_committed_once_over_a_restart(config: LearnerConfig) -> None:
    summary = EpisodeSummary(length=4, episode_return=7.0)
    chunk = chunk_request(1, purpose=Purpose.EVALUATION, ending=Ending.TERMINATED, summary=summary)
    with learner(config) as (_, client):
        client.push(client.header(), chunk)
        assert client.status().newest_evaluation.mean_return == 7
    with learner(config) as (_, client):
        client.join()
        client.push(client.header(), chunk)
        status = client.status()
        assert (status.workers[0].episodes, status.workers[0].committed_sequence) == (1, 1)
        assert status.best_evaluation.mean_return == 7


def test_versions_and_updates_go_on(config: LearnerConfig) -> None:
    with learner(config) as (node, client):
        stream = client.open(client.header())
        stream.send_training(9)
        eventually(lambda: client.status().policy_version >= 2, "a version is published")
        stream.send(None)
    training = node.run.training
    assert training is not None
    with learner(config) as (again, client):
        status = client.status()
        assert status.policy_version == training.store.newest_version + 1
        assert status.updates >= training.trainer.updates
        assert again.run.training is not None
        assert again.run.training.policy.state_dict()["updates"] >= training.trainer.updates


def test_versions_go_on_even_without_a_checkpoint(config: LearnerConfig) -> None:
    with learner(config) as (_, client):
        client.join()
    for checkpoint in (config.run_dir / "checkpoints").glob("*/*"):  # type: ignore[operator]
        checkpoint.unlink()
        if not list(checkpoint.parent.iterdir()):
            checkpoint.parent.rmdir()
    with learner(config) as (_, client):
        assert client.status().policy_version == 2


def test_memory_only_forgets_sessions_and_keeps_what_was_learned(config: LearnerConfig) -> None:
    config = replace(config, storage=StorageConfig(memory_only=True))
    with learner(config) as (_, client):
        stream = client.open(client.header())
        stream.send_training(9)
        eventually(lambda: client.status().updates > 0, "the trainer updates")
        stream.send(None)
    assert not (config.run_dir / "replay").exists()  # type: ignore[operator]
    with learner(config) as (_, client):
        status = client.status()
        assert (status.transitions, len(status.workers)) == (0, 0)
        assert status.updates > 0
        assert client.push(client.header())[0].committed_sequence == 0


def test_a_second_learner_on_a_run_directory_is_refused(config: LearnerConfig) -> None:
    with learner(config), pytest.raises(OSError, match=r"run is in use by another learner: stop it, or give another"):
        AsyncLearningNode(CountingPolicy(), config)


def test_other_spaces_than_replays_are_refused_with_both(config: LearnerConfig) -> None:
    with learner(config):
        pass
    policy = CountingPolicy()
    policy.spaces = Spaces(observation=SPACES.observation, action=Box(low=np.zeros(1, "f4"), high=np.ones(1, "f4")))
    with pytest.raises(ValueError, match=r"action is .* as replay in .*run holds it: give another --run-dir"):
        AsyncLearningNode(policy, config)


@pytest.mark.slow
def test_other_settings_than_the_checkpoints_are_refused_and_named(tmp_path: Path) -> None:
    def config(units: int) -> LearnerConfig:
        sac = replace(CONFIG.sac, actor_hidden_sizes=(units,), critic_hidden_sizes=(8,))
        return replace(CONFIG, run_dir=tmp_path / "run", sac=sac)

    with AsyncLearningNode(config=config(8)) as node, BareClient(node.address) as client:
        client.join()
    with pytest.raises(ValueError, match=r"checkpoint .* \(actor_hidden_sizes was \[8\] and is \[9\]"):
        AsyncLearningNode(config=config(9))
    with AsyncLearningNode(config=config(8)) as node, BareClient(node.address) as client:
        assert client.status().policy_version == 2


def test_a_session_away_for_long_goes_on_unless_others_took_its_place(
    config: LearnerConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "MAX_SESSIONS", 2)
    with learner(config) as (node, client):
        client.push(client.header(), chunk_request(1))
        with BareClient(node.address, "session-2") as other:
            other.join()
            assert client.push(client.header())[0].committed_sequence == 1
        with BareClient(node.address, "session-3") as other:
            other.join()
    with learner(config) as (_, client):
        known = {worker.session_id for worker in client.status().workers}
        assert len(known) == 2
        assert "session-3" in known


def test_two_workers_with_one_name_are_two_sessions(config: LearnerConfig) -> None:
    with learner(config) as (node, first), BareClient(node.address, "session-2") as second:
        for client in (first, second):
            client.push(client.header(), chunk_request(1))
        workers = first.status().workers
        assert [worker.name for worker in workers] == ["bare", "bare"]
        assert [worker.transitions for worker in workers] == [4, 4]
        assert first.status().transitions == 8


def test_more_streaming_sessions_than_a_learner_remembers_are_refused(
    config: LearnerConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "MAX_SESSIONS", 1)
    with learner(config) as (node, client):
        stream = client.open(client.header())
        stream.answer()
        with BareClient(node.address, "session-2") as other, pytest.raises(grpc.RpcError) as refused:
            other.join()
        assert refusal(refused)[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "1 sessions are streaming; a learner takes 1" in refusal(refused)[1]
        stream.send(None)


def test_a_disk_without_room_for_replay_refuses_the_run_and_says_how_much_it_takes(config: LearnerConfig) -> None:
    config = replace(config, flow=replace(config.flow, replay_capacity=10**12))
    with (
        AsyncLearningNode(config=config) as node,
        BareClient(node.address) as client,
        pytest.raises(grpc.RpcError) as refused,
    ):
        client.join()
    assert refusal(refused)[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "the run cannot begin: replay takes" in refusal(refused)[1]


def test_lines_of_results_are_whole_after_a_failed_write(config: LearnerConfig) -> None:
    with learner(config) as (node, client):
        client.join()
        directory = node._directory
        assert directory is not None
        directory._append("progress.jsonl", {"a": 1})
        directory._append("progress.jsonl", {"a": 2})
    lines = (config.run_dir / "progress.jsonl").read_text().splitlines()  # type: ignore[operator]
    assert [json.loads(line) for line in lines] == [{"a": 1}, {"a": 2}]


def test_another_environment_than_the_checkpoints_is_refused(config: LearnerConfig) -> None:
    with learner(config):
        pass
    with pytest.raises(ValueError, match=r"is of another environment, .*Racetrack.* and this one is .*kestrel"):
        AsyncLearningNode(CountingPolicy(), replace(config, environment=EnvironmentConfig(env_args=("track=kestrel",))))
