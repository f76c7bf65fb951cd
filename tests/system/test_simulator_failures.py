"""Simulators that hang in native code: real worker processes begin anew, and nothing sound is lost."""

import itertools
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from distrib_l2r.v1 import status_pb2
from learner_service import AsyncLearningNode, LearnerConfig
from learner_service.config import EnvironmentConfig, FlowConfig, TransportConfig
from tests.bare_client import eventually
from tests.fakes import CountingPolicy
from tests.system.processes import Fleet, end, fleet, terminate
from tests.worker.rows import chains, ring_rewards

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("fake_actor_exported_once")]

HANGS = "tests.system.failing_environments:Hangs-v0"
DEADLINES = ("--step-deadline-seconds", "0.5", "--reset-deadline-seconds", "20")


@contextmanager
def hanging(directory: Path, where: str = "step") -> Iterator[tuple[Fleet, AsyncLearningNode, Path]]:
    """A learner in this process, whose replay can be looked into, and worker processes whose simulators can hang."""
    marker = directory / "hang"
    config = LearnerConfig(
        transport=TransportConfig(port=0),
        environment=EnvironmentConfig(env=HANGS, env_args=(f"marker={marker}", f"where={where}", "step_seconds=0.005")),
        flow=FlowConfig(min_transitions=32, replay_capacity=65536, chunk_length=16, samples_per_insert_min=0.0),
    )
    with fleet(directory) as processes, AsyncLearningNode(CountingPolicy(), config) as node:
        processes.address = node.address
        yield processes, node, marker


def sessions(status: status_pb2.RunStatus) -> list[status_pb2.WorkerStatus]:
    return list(status.workers)


def assert_sound(rewards: list[float]) -> None:
    """Steps of an episode count from 1, and each is there once."""
    assert rewards[0] == 1
    for before, after in itertools.pairwise(rewards):
        assert after in (before + 1, 1), (before, after)


def back(node: AsyncLearningNode, restarts: int) -> bool:
    """Whether a worker that began anew so often drives again."""
    return any(w.connected and w.simulator_restarts == restarts for w in node.status().workers)


def test_a_worker_whose_simulator_hangs_begins_anew_and_loses_no_step(tmp_path: Path) -> None:
    with hanging(tmp_path) as (processes, node, marker):
        worker = processes.start_worker(*DEADLINES)
        for restart in (1, 2):
            reached = node.status().transitions
            eventually(lambda: node.status().transitions > reached + 50, "it drives", 60)  # noqa: B023
            marker.touch()
            eventually(lambda: back(node, restart), "it is back", 60)  # noqa: B023
        assert worker.poll() is None, "the same process: the kernel knows it by the same id"
        status = node.status()
        assert len(sessions(status)) == 3, "each time it began anew"
        aborted = [w for w in status.workers if w.aborted_episodes]
        # A hang in an episode's first step has no steps to carry the notice.
        assert len(aborted) <= 2
        assert all(w.abort_reason == "step did not return within 0.5 s" for w in aborted)
        assert_sound(ring_rewards(node))
        log = processes.log("worker-1")
        assert log.count("handing over what it did before") == 2
        assert "never acknowledged" not in log


def test_one_of_several_environments_that_hangs_begins_all_anew_and_no_step_is_lost(tmp_path: Path) -> None:
    with hanging(tmp_path) as (processes, node, marker):
        processes.start_worker(*DEADLINES, "--envs-per-worker", "3")
        eventually(lambda: node.status().transitions > 100, "it drives", 60)
        marker.touch()
        eventually(lambda: back(node, 1), "it is back", 60)
        log = processes.log("worker-1")
        assert "never acknowledged" not in log
        # Of the three episodes under way one was aborted, unless it hung in its first step; the others just end there.
        assert sum(worker.aborted_episodes for worker in node.status().workers) <= 1
        for episode in chains(node):
            assert episode == list(range(1, len(episode) + 1)), "each step of it once, in order"


def test_sigterm_ends_a_worker_with_many_slow_environments_within_5_seconds(tmp_path: Path) -> None:
    config = LearnerConfig(
        transport=TransportConfig(port=0),
        environment=EnvironmentConfig(env=HANGS, env_args=(f"marker={tmp_path / 'none'}", "step_seconds=0.3")),
        flow=FlowConfig(min_transitions=32, replay_capacity=65536, chunk_length=4, samples_per_insert_min=0.0),
    )
    with fleet(tmp_path) as processes, AsyncLearningNode(CountingPolicy(), config) as node:
        processes.address = node.address
        worker = processes.start_worker("--envs-per-worker", "20")
        eventually(lambda: node.status().transitions > 20, "it drives", 120)
        assert terminate(worker, 10) < 5
        assert worker.returncode == 0, processes.log("worker-1")
        assert "never acknowledged" not in processes.log("worker-1")


def test_a_reset_that_hangs_is_told_by_the_count_of_restarts(tmp_path: Path) -> None:
    with hanging(tmp_path, where="reset") as (processes, node, marker):
        processes.start_worker("--reset-deadline-seconds", "5")
        eventually(lambda: node.status().transitions > 50, "it drives", 60)
        marker.touch()
        eventually(lambda: back(node, 1), "it is back", 60)
        assert "reset did not return within 5 s" in processes.log("worker-1")
        rewards = ring_rewards(node)
        assert_sound(rewards)


def test_sigterm_ends_a_worker_stuck_in_native_code_and_what_it_drove_arrives(tmp_path: Path) -> None:
    with hanging(tmp_path) as (processes, node, marker):
        worker = processes.start_worker()
        eventually(lambda: node.status().transitions > 50, "it drives", 60)
        marker.touch()
        eventually(lambda: not marker.exists(), "it hangs")
        assert terminate(worker, 10) < 5
        log = processes.log("worker-1")
        assert worker.returncode == 1, log
        assert "step did not return within 1 s" in log
        assert "never acknowledged" not in log
        rewards = ring_rewards(node)
        assert_sound(rewards)
        assert node.status().transitions == len(rewards)


def test_a_hung_worker_waits_for_a_learner_that_is_away_before_it_begins_anew(tmp_path: Path) -> None:
    marker = tmp_path / "hang"
    environment = ("--env", HANGS, "--env-args", f"marker={marker}", "step_seconds=0.05")
    with fleet(tmp_path) as processes:
        client = processes.start_learner(*environment)
        port = processes.address.rpartition(":")[2]
        worker = processes.start_worker(*DEADLINES)
        eventually(lambda: client.status().transitions > 20, "it drives", 60)
        assert processes.learner_process is not None
        processes.learner_process.send_signal(signal.SIGKILL)
        end(processes.learner_process)
        eventually(lambda: "is away" in processes.log("worker-1"), "it notices")
        marker.touch()
        eventually(lambda: "waiting to begin anew for" in processes.log("worker-1"), "it says what it waits for")
        line = next(line for line in processes.log("worker-1").splitlines() if "waiting to begin anew for" in line)
        assert "chunks must be acknowledged before, and the learner is away (UNAVAILABLE" in line
        assert worker.poll() is None
        client = processes.start_learner(*environment, "--port", port)

        def began_anew() -> bool:
            workers = list(client.status().workers)
            return any(w.connected and w.simulator_restarts == 1 for w in workers) and any(
                w.simulator_restarts == 0 and w.transitions > 0 for w in workers
            )

        eventually(began_anew, "what was kept arrives first, and then it drives again", 60)
        assert "never acknowledged" not in processes.log("worker-1")
        assert terminate(worker, 10) < 5
        assert worker.returncode == 0, processes.log("worker-1")


def test_sigterm_ends_a_hung_worker_that_waits_for_its_learner(tmp_path: Path) -> None:
    with hanging(tmp_path) as (processes, node, marker):
        worker: subprocess.Popen[bytes] = processes.start_worker(*DEADLINES)
        eventually(lambda: node.status().transitions > 50, "it drives", 60)
        node.stop()
        eventually(lambda: "is away" in processes.log("worker-1"), "it notices")
        marker.touch()
        eventually(lambda: "handing over" in processes.log("worker-1") or not marker.exists(), "it hangs")
        assert terminate(worker, 10) < 5
        assert worker.returncode == 1
        assert "never acknowledged" in processes.log("worker-1")


def test_a_hang_in_making_the_environment_begins_anew(tmp_path: Path) -> None:
    marker = tmp_path / "hang"
    marker.touch()
    with hanging(tmp_path, where="make") as (processes, node, _):
        processes.start_worker("--reset-deadline-seconds", "5")
        eventually(lambda: back(node, 1), "it is back", 60)
        assert "making the environment did not return within 5 s" in processes.log("worker-1")
