import json
from pathlib import Path

import pytest

from deploy.local.config import Config
from deploy.local.summary import Summary, summarise
from distrib_l2r.v1 import status_pb2
from tests.deploy.statuses import pendulum_status, racing_status


def summary_of(config: Config, status: status_pb2.RunStatus, *, optimum: float | None = None) -> Summary:
    return summarise(
        config,
        status,
        exit_reason="the training time is over",
        exit_status=0,
        flow_state=status_pb2.FLOW_STATE_THROTTLED,
        wall_seconds=200.0,
        worker_restarts=1,
        optimum_lap_seconds=optimum,
        replayed_lap_seconds=None,
        replay_command="python -m worker_service.drive best",
    )


def test_racing_summary_holds_the_figures_of_the_recorded_status(tmp_path: Path) -> None:
    summary = summary_of(Config(seed=3, track="kestrel"), racing_status(), optimum=48.0)
    summary.write(tmp_path / "summary.json")
    written = json.loads((tmp_path / "summary.json").read_text())
    expected = {
        "best_lap_seconds": 60.0,
        "best_lap_policy_version": 173,
        "best_policy_version": 170,
        "best_policy_lap_seconds": 60.5,
        "optimum_lap_seconds": 48.0,
        "lap_ratio": 1.25,
        "first_lap_wall_seconds": 22.9,
        "laps_clean": 429,
        "laps_total": 450,
        "transitions": 177_258,
        "updates": 10_920,
        "policy_version": 183,
        "samples_per_insert": 15.75,
        "training_seconds": 184.0,
        "wall_seconds": 200.0,
        "aborted_episodes": 3,
        "worker_restarts": 1,
        "flow_state": "throttled",
        "seed": 3,
        "track": "kestrel",
        "environment": "Racetrack-v0",
        "exit_status": 0,
    }
    assert {name: written[name] for name in expected} == pytest.approx(expected)
    assert {"python", "torch", "numpy", "onnxruntime", "gymnasium", "grpcio"} <= written["versions"].keys()
    assert written["versions"]["numpy"].count(".") == 2
    assert not list(tmp_path.glob("*.new"))


def test_summary_without_laps_has_nulls_for_them() -> None:
    summary = summary_of(Config(env="Pendulum-v1"), pendulum_status())
    assert summary.best_policy_mean_return == pytest.approx(-167.6)
    for name in ("best_lap_seconds", "lap_ratio", "laps_clean", "laps_total", "first_lap_wall_seconds", "track"):
        assert getattr(summary, name) is None, name


def test_summary_of_a_job_that_never_got_a_status_has_zeros_and_nulls() -> None:
    summary = summary_of(Config(), status_pb2.RunStatus())
    assert (summary.transitions, summary.updates, summary.laps_clean) == (0, 0, 0)
    assert summary.best_policy_version is None
