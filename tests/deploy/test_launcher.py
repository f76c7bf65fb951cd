import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.local.config import Config, Programs
from deploy.local.interrupt import Interrupt
from deploy.local.job import Job
from deploy.local.job_error import JobError
from deploy.local.progress import Progress
from tests.deploy.launch import LEARNER, WORKER
from tests.deploy.processes import ROOT, WAIT_SECONDS, await_true, is_alive, python

pytestmark = pytest.mark.slow


@contextmanager
def launcher(run_dir: Path, *flags: str) -> Iterator["subprocess.Popen[str]"]:
    """A launcher with a fake learner and two idle workers, in its own process group."""
    command = [sys.executable, "-m", "tests.deploy.launch", "--env", "Pendulum-v1", "--workers", "1"]
    process = subprocess.Popen(
        [*command, "--run-dir", str(run_dir), *flags],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=WAIT_SECONDS)


def children(process: "subprocess.Popen[str]") -> list[int]:
    """Process ids of a launcher's children."""
    text = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return [int(pid) for pid in text.split()]


def await_training(run_dir: Path) -> None:
    """Returns when learner, worker and evaluator run."""
    logs = [run_dir / "logs" / f"{name}.log" for name in ("worker-0", "evaluator")]
    await_true(lambda: all(log.exists() and "hello" in log.read_text() for log in logs), "the workers' start")


def run_job(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch, *, learner: tuple[str, ...] = (), worker: Sequence[str] = WORKER
) -> Job:
    """A job of two seconds of training in this process, ended."""
    monkeypatch.chdir(ROOT)
    config = Config(minutes=2 / 60, workers=1, env="Pendulum-v1", run_dir=run_dir)
    programs = Programs(learner=(*LEARNER, *learner), worker=tuple(worker))
    with Progress() as progress, Interrupt() as interrupt:
        job = Job(config, programs, progress, interrupt)
        job.train()
    return job


def test_job_does_its_work_and_exits_with_0(tmp_path: Path) -> None:
    with launcher(tmp_path, "--minutes", "0.02", "--seed", "7") as process:
        output, _ = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 0, output
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["exit_reason"] == "the training time of 0:01 is over"
    assert summary["seed"] == 7
    assert summary["training_seconds"] >= 1.2
    assert summary["replay_command"] in output
    assert (tmp_path / "learning_curve.png").stat().st_size > 5_000
    assert not (tmp_path / "learner.json").exists()
    replay = subprocess.run(summary["replay_command"].split(), capture_output=True, text=True, timeout=60, check=True)
    assert "episode 0: return" in replay.stdout


def test_ctrl_c_stops_the_job_and_everything_is_written(tmp_path: Path) -> None:
    with launcher(tmp_path) as process:
        await_training(tmp_path)
        pids = children(process)
        assert len(pids) == 3
        os.killpg(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 130, output
    assert "interrupted by SIGINT" in json.loads((tmp_path / "summary.json").read_text())["exit_reason"]
    assert (tmp_path / "learning_curve.png").exists()
    assert not any(map(is_alive, pids))


def test_second_ctrl_c_kills_a_learner_that_does_not_stop(tmp_path: Path) -> None:
    with launcher(tmp_path, "--learner-flag=--ignore-sigterm") as process:
        await_training(tmp_path)
        pids = children(process)
        process.send_signal(signal.SIGINT)
        await_true(lambda: len(children(process)) == 1, "the workers' end")
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 130, output
    assert "killed before the results were written" in output
    assert not any(map(is_alive, pids))


def test_no_child_survives_a_launcher_that_is_killed(tmp_path: Path) -> None:
    with launcher(tmp_path, "--learner-flag=--ignore-sigterm") as process:
        await_training(tmp_path)
        pids = children(process)
        assert len(pids) == 3
        process.kill()
        try:
            await_true(lambda: not any(map(is_alive, pids)), "the children's end")
        finally:
            for pid in filter(is_alive, pids):
                os.kill(pid, signal.SIGKILL)


def test_wrong_flag_exits_with_2_before_anything_is_started(tmp_path: Path) -> None:
    with launcher(tmp_path / "new", "--track", "kestrel") as process:
        output, _ = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 2
    assert output.startswith("error: track is 'kestrel' and env is 'Pendulum-v1'")
    assert not (tmp_path / "new").exists()


def test_worker_that_keeps_dying_ends_the_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.local.crew.RESTART_DELAYS_SECONDS", (0.0, 0.0, 0.0))
    job = run_job(tmp_path, monkeypatch, worker=python("sys.exit('no such simulator')"))
    assert isinstance(job.failure, JobError)
    assert str(job.failure).endswith("no such simulator")
    assert "it died 3 times" in job.failure.sentence


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--die",), "learner ended with exit status 1; it has not begun to serve"),
        (("--planted-failure", "the loss is NaN"), "training failed: the loss is NaN"),
    ],
)
def test_learner_that_fails_ends_the_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...], sentence: str
) -> None:
    job = run_job(tmp_path, monkeypatch, learner=flags)
    assert job.failure is not None
    assert sentence in job.failure.sentence


def test_learner_that_does_not_stop_is_killed_and_that_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.local.job.LEARNER_STOP_SECONDS", 0.5)
    job = run_job(tmp_path, monkeypatch, learner=("--ignore-sigterm",))
    assert job.failure is not None
    assert "was ended by SIGKILL; it had not ended 0.5 s after SIGTERM" in job.failure.sentence
