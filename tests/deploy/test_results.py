import io
import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from deploy.local.config import Config, Programs
from deploy.local.interrupt import Interrupt
from deploy.local.job import Job
from deploy.local.job_error import JobError
from deploy.local.progress import Progress
from deploy.local.results import conclude, judge
from distrib_l2r.v1 import status_pb2
from tests.deploy.policies import save_slow_driver
from tests.deploy.statuses import pendulum_status, racing_status
from tests.racetrack.builders import circle_track
from worker_service.simulators.racetrack.optimum import CACHE_VARIABLE
from worker_service.simulators.racetrack.track_csv import write_track


def ended_job(config: Config, status: status_pb2.RunStatus, **state: Any) -> Job:
    return Job(config, Programs(), Progress(), Interrupt(), status=status, **state)


def without(status: status_pb2.RunStatus, *names: Any) -> status_pb2.RunStatus:
    for name in names:
        status.ClearField(name)
    return status


def test_clean_lap_and_a_kept_policy_are_the_work_done(tmp_path: Path) -> None:
    config = Config(run_dir=tmp_path)
    save_slow_driver(tmp_path / "best")
    assert judge(ended_job(config, racing_status())).exit_status == 0


@pytest.mark.parametrize(
    ("env", "status", "reason"),
    [
        ("Racetrack-v0", without(racing_status(), "laps_clean"), "no evaluation lap was completed in 3:04"),
        ("Pendulum-v1", without(pendulum_status(), "newest_evaluation"), "no evaluation was completed in 1:02"),
        ("Pendulum-v1", pendulum_status(), "the learner left no"),
        # Laps make any environment a race.
        ("Other-v0", without(racing_status(), "laps_clean"), "no evaluation lap was completed"),
    ],
)
def test_job_without_results_has_not_done_its_work(
    env: str, status: status_pb2.RunStatus, reason: str, tmp_path: Path
) -> None:
    verdict = judge(ended_job(Config(env=env, run_dir=tmp_path), status))
    assert verdict.exit_status == 1
    assert reason in verdict.reason


def test_failure_is_the_reason_even_with_good_laps(tmp_path: Path) -> None:
    job = ended_job(Config(run_dir=tmp_path), racing_status(), failure=JobError("it broke\nline of the log"))
    assert (judge(job).exit_status, judge(job).reason) == (1, "it broke")


@pytest.mark.parametrize(("number", "exit_status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_job_says_by_what(number: signal.Signals, exit_status: int, tmp_path: Path) -> None:
    job = ended_job(Config(run_dir=tmp_path), racing_status())
    job.interrupt.received = number
    assert (judge(job).exit_status, judge(job).reason) == (
        exit_status,
        f"interrupted by {number.name} after 3:04 of training",
    )


@pytest.fixture
def race(tmp_path: Path) -> Job:
    """An ended race on kestrel with a best policy, whose recorded lap is not what it drives."""
    config = Config(run_dir=tmp_path, track="kestrel")
    save_slow_driver(tmp_path / "best", best_lap_seconds=60.5)
    config.logs.mkdir()
    return ended_job(config, racing_status())


def test_results_of_a_race_are_written(race: Job) -> None:
    summary = conclude(race, Progress())
    run_dir = race.config.run_dir
    assert summary.exit_status == 0
    assert summary.replayed_lap_seconds == pytest.approx(137.16, abs=0.01)
    assert summary.optimum_lap_seconds is not None
    assert summary.lap_ratio == pytest.approx(60.0 / summary.optimum_lap_seconds)
    assert json.loads((run_dir / "summary.json").read_text())["replay_command"].endswith(f"drive {run_dir}/best")
    for name in ("learning_curve.png", "racing_line.png", "trace.csv"):
        assert (run_dir / name).stat().st_size > 10_000, name


@pytest.fixture
def race_on_a_circle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    """An ended race on a track whose optimum nobody has computed."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "optima"))
    write_track(circle_track(radius_metres=50.0), tmp_path / "circle.csv")
    (tmp_path / "run").mkdir()
    return ended_job(Config(run_dir=tmp_path / "run", track=str(tmp_path / "circle.csv")), racing_status())


@pytest.mark.slow
def test_unknown_optimum_is_computed_once_and_kept(race_on_a_circle: Job, tmp_path: Path) -> None:
    first = conclude(race_on_a_circle, Progress())
    assert first.optimum_lap_seconds == pytest.approx(10.33, abs=0.05)
    assert first.optimum_lap_seconds is not None
    assert first.lap_ratio == pytest.approx(60.0 / first.optimum_lap_seconds)
    (kept,) = (tmp_path / "optima").iterdir()
    written = kept.stat().st_mtime_ns
    assert conclude(race_on_a_circle, Progress()).optimum_lap_seconds == first.optimum_lap_seconds
    assert kept.stat().st_mtime_ns == written


def test_without_casadi_the_optimum_stays_unknown_and_the_console_says_why(
    race_on_a_circle: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("solve", "collocation", "symbolic_car", "optimal_control", "point_mass"):
        monkeypatch.delitem(sys.modules, f"worker_service.simulators.racetrack.{module}", raising=False)
    monkeypatch.setitem(sys.modules, "casadi", None)
    progress = Progress(Console(file=io.StringIO()))
    summary = conclude(race_on_a_circle, progress)
    assert (summary.optimum_lap_seconds, summary.lap_ratio) == (None, None)
    assert isinstance(progress.console.file, io.StringIO)
    said = " ".join(progress.console.file.getvalue().split())
    assert "not compared with the optimum: casadi is not installed; pip install '.[optimal]'" in said


def test_policy_that_cannot_be_driven_fails_the_job_but_leaves_a_summary(race: Job) -> None:
    (race.config.run_dir / "best" / "graph.onnx").write_bytes(b"not a graph")
    summary = conclude(race, Progress())
    assert summary.exit_status == 1
    assert "the best policy cannot be driven" in summary.exit_reason
    assert summary.replayed_lap_seconds is None
    assert (race.config.run_dir / "summary.json").exists()
    assert (race.config.run_dir / "learning_curve.png").exists()
