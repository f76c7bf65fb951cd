"""The metrics endpoint of a real learner."""

import socket
import subprocess
import sys
import threading
import urllib.error
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from distrib_l2r.trajectory import Ending, EpisodeSummary, Lap, Purpose
from distrib_l2r.v1 import join_pb2
from learner_service import AsyncLearningNode, LearnerConfig, metrics_server, server, worker_demand
from learner_service.config import TransportConfig
from tests.bare_client import BareClient, chunk_request, eventually
from tests.fakes import CountingPolicy
from tests.learner.settings import CONFIG
from tests.scrape import families, fetch, values

pytestmark = pytest.mark.usefixtures("fake_actor_exported_once")

MEASURED = replace(CONFIG, transport=TransportConfig(port=0, metrics_address="127.0.0.1:0"))


@pytest.fixture
def config(tmp_path: Path) -> LearnerConfig:
    return replace(MEASURED, run_dir=tmp_path / "kestrel")


@pytest.fixture
def learner(config: LearnerConfig) -> Iterator[AsyncLearningNode]:
    with AsyncLearningNode(CountingPolicy(), config) as node:
        yield node


def test_metrics_tell_what_the_status_tells(learner: AsyncLearningNode) -> None:
    with BareClient(learner.address) as client, BareClient(learner.address, "evaluator") as evaluator:
        stream = client.open(client.header())
        stream.send_training(20)
        evaluator.join(role=join_pb2.ROLE_EVALUATE)
        laps = (Lap(number=1, time_seconds=45.5), Lap(number=2, time_seconds=46.5))
        summary = EpisodeSummary(length=4, episode_return=7.0, laps=laps, laps_started=3)
        lap = chunk_request(1, purpose=Purpose.EVALUATION, ending=Ending.TERMINATED, summary=summary)
        evaluator.push(evaluator.header(), lap)
        eventually(lambda: client.status().updates >= 6, "the trainer updates")
        eventually(lambda: not client.status().workers[1].connected, "the evaluator has left")
        before, found, after = learner.status(), values(learner.metrics_address), learner.status()
        stream.send(None)
    assert found["l2r_transitions_total"] == after.transitions == 80
    assert found["l2r_replay_transitions"] == 80
    assert found["l2r_chunks_acknowledged_total"] == 21
    assert before.updates <= found["l2r_updates_total"] <= after.updates
    assert before.policy_version <= found["l2r_policy_version"] <= after.policy_version
    assert before.samples_per_insert <= found["l2r_samples_per_insert"] <= after.samples_per_insert
    assert (found["l2r_samples_per_insert_min"], found["l2r_samples_per_insert_max"]) == (0, 512)
    assert found["l2r_workers_connected{collect}"] == 1
    assert found["l2r_workers_connected{evaluate}"] == 0
    assert found["l2r_sessions"] == 2
    assert found["l2r_chunks_granted"] == before.workers[0].credit
    assert found["l2r_in_flight_bytes"] > 0
    assert (found["l2r_evaluation_laps_total"], found["l2r_evaluation_laps_clean_total"]) == (3, 2)
    assert (found["l2r_lap_seconds{best}"], found["l2r_lap_seconds{newest}"]) == (45.5, 46.5)
    assert found["l2r_evaluation_return{best}"] == 7
    assert found["l2r_evaluation_median_lap_seconds{newest}"] == 46
    assert found["l2r_episodes_total"] == 1
    assert found["l2r_episodes_aborted_total"] == 0
    assert found["l2r_staleness_versions_bucket{+Inf}"] == 80
    assert found["l2r_learner_starts_total"] == 1
    assert found["l2r_trainer_failed"] == 0
    assert 0 < found["l2r_volume_free_bytes{run}"] <= found["l2r_volume_size_bytes{run}"]
    assert found["process_resident_memory_bytes"] > 0


def test_every_sample_names_the_run_and_every_family_has_a_sentence(learner: AsyncLearningNode) -> None:
    for open_format in (False, True):
        found = families(learner.metrics_address, open_format=open_format)
        assert len({family.name for family in found}) == len(found)
        for family in found:
            assert family.name.startswith(("l2r_", "process_"))
            assert family.documentation
            assert all(sample.labels["run"] == "kestrel" for sample in family.samples)


def test_exactly_one_flow_state_holds(learner: AsyncLearningNode) -> None:
    found = values(learner.metrics_address)
    states = {state: found[f"l2r_flow_state{{{state}}}"] for state in ("healthy", "starved", "throttled")}
    assert states == {"healthy": 0, "starved": 1, "throttled": 0}


def test_what_has_not_happened_yet_is_left_out() -> None:
    with AsyncLearningNode(config=MEASURED) as node:
        found = values(node.metrics_address)
    assert found["l2r_transitions_total"] == 0
    assert found["l2r_worker_demand_ratio"] == 1
    absent = ("l2r_lap_seconds", "l2r_evaluation_return", "l2r_checkpoint_age", "l2r_volume", "l2r_trainer_waiting")
    assert not [name for name in found if name.startswith(absent)]


def test_workers_without_credit_count_as_throttled(config: LearnerConfig) -> None:
    flow = replace(CONFIG.flow, samples_per_insert_min=64.0, samples_per_insert_max=128.0)
    gate = threading.Event()
    with (
        AsyncLearningNode(CountingPolicy(gate=gate), replace(config, flow=flow)) as node,
        BareClient(node.address) as client,
    ):
        stream = client.open(client.header())
        sent, answer = 0, stream.answer()
        while answer.credit > 0:
            sent += 1
            assert sent < 1_000, "the trainer stands still, yet credit never ends"
            stream.send(chunk_request(sent, first_step=4 * (sent - 1)))
            answer = stream.answer_until(lambda answer, sent=sent: answer.committed_sequence == sent)  # type: ignore[misc]
        found = values(node.metrics_address)
        gate.set()
        stream.send(None)
    assert found["l2r_flow_state{throttled}"] == 1
    assert found["l2r_workers_throttled"] == 1
    assert found["l2r_worker_longest_wait_seconds"] > 0
    assert found["l2r_chunks_granted"] == 0


def test_the_trainers_waiting_is_counted_while_it_waits(learner: AsyncLearningNode) -> None:
    name = "l2r_trainer_waiting_seconds_total"
    first = values(learner.metrics_address)[name]
    eventually(lambda: values(learner.metrics_address)[name] > first, "it waits for its first transitions")


def test_a_trainer_that_waits_asks_for_workers(learner: AsyncLearningNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_demand, "EVIDENCE_SECONDS", 0.5)
    with BareClient(learner.address) as client:
        stream = client.open(client.header())
        stream.send_training(20)
        eventually(lambda: values(learner.metrics_address)["l2r_worker_demand_ratio"] == 2, "twice as many are wanted")
        stream.send(None)


@pytest.mark.slow
def test_a_checkpoint_and_the_trainers_failure_show(config: LearnerConfig) -> None:
    config = replace(config, storage=replace(config.storage, checkpoint_period_seconds=0.05))
    with AsyncLearningNode(CountingPolicy(fail_at_update=1_000), config) as node, BareClient(node.address) as client:
        stream = client.open(client.header())
        # Enough for 256 updates, then for thousands.
        stream.send_training(9)
        eventually(lambda: "l2r_checkpoint_age_seconds" in values(node.metrics_address), "a checkpoint is written")
        assert values(node.metrics_address)["l2r_trainer_failed"] == 0
        for sequence in range(10, 30):
            stream.send(chunk_request(sequence, first_step=4 * (sequence - 1)))
            stream.answer_until(lambda answer, sent=sequence: answer.committed_sequence == sent)  # type: ignore[misc]
        eventually(lambda: values(node.metrics_address)["l2r_trainer_failed"] == 1, "the planted failure")
        stream.send(None)


def test_the_thread_has_a_name_and_ends_with_the_learner(config: LearnerConfig) -> None:
    node = AsyncLearningNode(CountingPolicy(), config)
    with node:
        (thread,) = (each for each in threading.enumerate() if each.name == "metrics")
        fetch(node.metrics_address)
    assert not thread.is_alive()
    with pytest.raises(urllib.error.URLError):
        fetch(node.metrics_address)


def test_a_learner_has_no_endpoint_unless_told() -> None:
    with AsyncLearningNode(CountingPolicy(), CONFIG) as node:
        assert not [each for each in threading.enumerate() if each.name == "metrics"]
        assert node.metrics_address == ""


def test_a_port_that_is_taken_is_a_sentence_and_frees_what_was_begun(config: LearnerConfig) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        node = AsyncLearningNode(
            CountingPolicy(), replace(config, transport=TransportConfig(port=0, metrics_address=address))
        )
        with pytest.raises(OSError, match=f"cannot serve metrics on {address} .*: free the port or choose another"):
            node.start()
        node.run.close()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        node = AsyncLearningNode(CountingPolicy(), replace(config, transport=replace(MEASURED.transport, port=port)))
        with pytest.raises(OSError, match="--port"):
            node.start()
        with pytest.raises(urllib.error.URLError):
            fetch(node.metrics_address)
        node.run.close()


@pytest.mark.parametrize("address", ["9464", ":9464", "localhost", "localhost:http", "::1:9464", "0.0.0.0:70000"])
def test_an_address_that_is_none_is_refused_with_an_example(address: str) -> None:
    with pytest.raises(ValueError, match=r"it must be HOST:PORT, such as 0\.0\.0\.0:9464"):
        TransportConfig(metrics_address=address)


def test_metrics_are_served_on_ipv6_too(config: LearnerConfig) -> None:
    transport = TransportConfig(port=0, metrics_address="[::1]:0")
    with AsyncLearningNode(CountingPolicy(), replace(config, transport=transport)) as node:
        assert values(node.metrics_address)["l2r_transitions_total"] == 0


def test_a_server_that_hangs_fails_the_scrape_and_not_the_thread(
    learner: AsyncLearningNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "STATUS_DEADLINE_SECONDS", 0.2)
    gate = threading.Event()
    learner._server._loop.call_soon_threadsafe(gate.wait, 30)
    with pytest.raises(urllib.error.HTTPError) as refused:
        fetch(learner.metrics_address)
    assert refused.value.code == 503
    refused.value.close()
    gate.set()
    monkeypatch.undo()
    assert values(learner.metrics_address)["l2r_transitions_total"] == 0


def test_a_client_that_says_nothing_keeps_nobody_waiting_for_long(
    learner: AsyncLearningNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics_server._Request, "timeout", 0.2)
    host, _, port = learner.metrics_address.rpartition(":")
    with socket.create_connection((host, int(port))):
        assert "l2r_transitions_total" in fetch(learner.metrics_address)


@pytest.mark.slow
def test_a_port_that_is_taken_ends_the_process_with_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        command = [sys.executable, "-m", "learner_service", "--port", "0", "--metrics-address", address]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 1
    assert f"learner: cannot serve metrics on {address}" in ended.stderr
    assert "Traceback" not in ended.stderr
