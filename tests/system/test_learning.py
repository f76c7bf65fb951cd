"""Reference tasks: a known environment reaches a known return, through real processes."""

import json
from pathlib import Path

import pytest

from tests.bare_client import eventually
from tests.system.processes import end, fleet, status_of, terminate

pytestmark = pytest.mark.slow

PENDULUM_BUDGET_SECONDS = 240.0
"""On 2 cores it takes about a quarter of this."""


@pytest.mark.timeout(PENDULUM_BUDGET_SECONDS + 120)
def test_two_workers_solve_pendulum_although_one_is_killed_and_replaced(tmp_path: Path) -> None:
    with fleet(tmp_path) as processes:
        client = processes.start_learner(
            *("--env", "Pendulum-v1", "--evaluation-episodes", "20", "--run-dir", str(tmp_path / "run"), "--seed", "1")
        )
        processes.start_worker()
        victim = processes.start_worker()
        processes.start_worker("--role", "evaluate")
        eventually(lambda: client.status().updates > 500, "training begins", 120)
        end(victim)
        killed_at = client.status().transitions
        processes.start_worker()
        eventually(
            lambda: (new := status_of(client, "worker-4")) is not None and new.transitions > 0, "the new one works", 60
        )
        eventually(lambda: client.status().transitions > killed_at + 1_000, "training goes on", 60)
        eventually(
            lambda: client.status().best_evaluation.mean_return >= -200 and client.status().HasField("best_evaluation"),
            "a mean return of -200 over 20 deterministic episodes",
            PENDULUM_BUDGET_SECONDS,
        )
        assert client.status().best_evaluation.episodes == 20
        assert processes.learner_process is not None
        terminate(processes.learner_process, 10)
        assert processes.learner_process.returncode == 0, processes.log("learner")
    best = json.loads((tmp_path / "run" / "best" / "policy.json").read_text())
    assert best["evaluation"]["mean_return"] >= -200
