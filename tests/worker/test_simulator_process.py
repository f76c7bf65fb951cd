"""A simulator's program starts until it is ready, ends with its owner, and leaves its log where it failed."""

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bare_client import eventually
from worker_service.orphans import FOLDER_PREFIX, OWNER_VARIABLE, end_orphans, make_folder, owner_mark
from worker_service.simulator_process import LOGS_KEPT, LOGS_VARIABLE, SimulatorProcess, SimulatorProcessError

OWNER = """
import os, sys, time
from pathlib import Path
from worker_service.simulator_process import SimulatorProcess
folder = Path(sys.argv[1])
process = SimulatorProcess("sim", ["sh", "-c", sys.argv[2]], folder=folder, ready=lambda: (folder / "ready").exists())
process.start()
print(process.pid, flush=True)
time.sleep(600)
"""
"""Starts a shell command as its simulator, and says its process id once it is ready."""


@pytest.fixture(autouse=True)
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(LOGS_VARIABLE, str(tmp_path / "failed"))
    return tmp_path / "failed"


@pytest.fixture
def ended() -> Iterator[list[SimulatorProcess]]:
    processes: list[SimulatorProcess] = []
    yield processes
    for process in processes:
        process.stop()


def shell(folder: Path, command: str, ended: list[SimulatorProcess], **settings: float | int) -> SimulatorProcess:
    ready = folder / "ready"
    process = SimulatorProcess(
        "sim",
        ["sh", "-c", command],
        folder=folder,
        ready=ready.exists,
        **settings,  # type: ignore[arg-type]  # seconds and attempts, by name
    )
    ended.append(process)
    return process


def is_alive(pid: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def test_start_returns_once_the_program_is_ready(tmp_path: Path, ended: list[SimulatorProcess]) -> None:
    process = shell(tmp_path, "sleep 0.1; echo here; touch ready; exec sleep 60", ended)
    process.start()
    assert (tmp_path / "ready").exists() and process.alive
    assert process.log.read_text() == "here\n"
    pid = process.pid
    assert pid is not None and os.getpgid(pid) == pid
    process.stop()
    assert not process.alive and process.pid is None and not is_alive(pid)


def test_stop_takes_along_what_the_program_started(tmp_path: Path, ended: list[SimulatorProcess]) -> None:
    process = shell(tmp_path, "sleep 600 & echo $! > child; touch ready; wait", ended)
    process.start()
    child = int((tmp_path / "child").read_text())
    process.stop()
    eventually(lambda: not is_alive(child), "the child's end")


def test_stop_takes_along_what_a_program_that_has_ended_left(tmp_path: Path, ended: list[SimulatorProcess]) -> None:
    process = shell(tmp_path, "sleep 600 & echo $! > child; touch ready", ended)
    process.start()
    child = int((tmp_path / "child").read_text())
    eventually(lambda: not process.alive, "the program's end")
    assert is_alive(child)
    process.stop()
    eventually(lambda: not is_alive(child), "the child's end")


def test_stop_with_grace_lets_the_program_say_goodbye(tmp_path: Path, ended: list[SimulatorProcess]) -> None:
    process = shell(tmp_path, "trap 'echo goodbye; exit' TERM; touch ready; while :; do sleep 0.05; done", ended)
    process.start()
    process.stop(grace_seconds=10)
    # The shell may first tell that its sleep was ended with it.
    assert process.log.read_text().endswith("goodbye\n")


def test_start_tries_again_until_an_attempt_succeeds(tmp_path: Path, ended: list[SimulatorProcess]) -> None:
    command = "echo x >> tries; test $(wc -l < tries) = 3 && touch ready && exec sleep 60"
    process = shell(tmp_path, command, ended, attempts=3)
    process.start()
    assert process.alive
    assert (tmp_path / "tries").read_text() == "x\nx\nx\n"


def test_a_program_that_ends_before_it_is_ready_is_told_in_one_sentence(
    tmp_path: Path, logs: Path, ended: list[SimulatorProcess]
) -> None:
    process = shell(tmp_path, "echo no such track; exit 3", ended, attempts=1)
    with pytest.raises(SimulatorProcessError) as raised:
        process.start()
    (kept,) = logs.glob("*.log")
    expected = "sim ended before it was ready (it ended with exit status 3)"
    assert str(raised.value) == f"{expected}: see {kept}, at last 'no such track'"
    assert kept.read_text() == f"no such track\n\n{expected}\n"


def test_a_program_that_is_never_ready_is_killed(tmp_path: Path, ended: list[SimulatorProcess]) -> None:
    process = shell(tmp_path, "exec sleep 60", ended, attempts=1, ready_seconds=0.2)
    with pytest.raises(SimulatorProcessError, match=r"sim was not ready within 0\.2 s: see "):
        process.start()
    assert process.pid is None


def test_a_program_that_does_not_exist_is_told(tmp_path: Path) -> None:
    process = SimulatorProcess(
        "sim", [str(tmp_path / "absent")], folder=tmp_path, ready=lambda: False, attempts=1, ready_seconds=20
    )
    with pytest.raises(SimulatorProcessError, match="FileNotFoundError"):
        process.start()


def test_failure_keeps_the_newest_logs_alone(
    tmp_path: Path, logs: Path, ended: list[SimulatorProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    process = shell(tmp_path, "touch ready; exec sleep 60", ended)
    process.start()
    # A tenth of a second between failures: names that sort wrongly across a second's end would show.
    monkeypatch.setattr(time, "time_ns", itertools.count(1_800_000_000 * 10**9, 10**8).__next__)
    for number in range(LOGS_KEPT + 3):
        process.log.write_text(f"episode {number}\n")
        process.failure("has not answered within 1 s")
    kept = sorted(logs.glob("*.log"))
    assert len(kept) == LOGS_KEPT
    assert kept[-1].read_text().startswith(f"episode {LOGS_KEPT + 2}\n")


def owner(folder: Path, command: str) -> tuple[subprocess.Popen[str], int]:
    """A process that owns a simulator, and the simulator's process id."""
    process = subprocess.Popen([sys.executable, "-c", OWNER, str(folder), command], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    assert process.stdout is not None
    process.stdout.close()


def test_a_simulator_dies_with_its_owner(tmp_path: Path) -> None:
    process, simulator = owner(tmp_path, "touch ready; exec sleep 600")
    assert is_alive(simulator)
    kill(process)
    eventually(lambda: not is_alive(simulator), "the simulator's end")


def test_what_a_simulator_started_is_ended_by_whoever_comes_next(tmp_path: Path) -> None:
    process, simulator = owner(tmp_path, "sleep 600 & echo $! > child; touch ready; wait")
    child = int((tmp_path / "child").read_text())
    kill(process)
    eventually(lambda: not is_alive(simulator), "the simulator's end")
    assert is_alive(child), "nothing binds it to the worker"
    assert end_orphans() >= 1
    eventually(lambda: not is_alive(child), "the child's end")


def test_simulators_and_folders_of_living_owners_stay(tmp_path: Path, ended: list[SimulatorProcess]) -> None:
    process, simulator = owner(tmp_path, "touch ready; exec sleep 600")
    folder = make_folder()
    own = shell(folder, "touch ready; exec sleep 600", ended)
    own.start()
    end_orphans()
    assert folder.exists() and is_alive(simulator) and own.alive
    kill(process)
    own.stop()
    (folder / "ready").unlink()
    (folder / "sim.log").unlink()
    folder.rmdir()


def test_folders_of_the_dead_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    pid, start, _ = owner_mark().split("-")
    dead = tmp_path / f"{FOLDER_PREFIX}{pid}-{start}-anotherimage-x"
    other = tmp_path / f"{FOLDER_PREFIX}{2**22}-1-image-x"
    own = make_folder()
    strange = tmp_path / f"{FOLDER_PREFIX}who-knows-what-is"
    for folder in (dead, other, strange):
        folder.mkdir()
    end_orphans()
    assert (dead.exists(), other.exists(), own.exists(), strange.exists()) == (False, False, True, True)


def test_a_program_that_took_the_owners_place_ends_what_its_predecessor_started(tmp_path: Path) -> None:
    """As a worker does whose simulator hangs: it executes itself anew, in the same process."""
    pid, start, _ = owner_mark().split("-")
    left = subprocess.Popen(["/bin/sleep", "600"], env={**os.environ, OWNER_VARIABLE: f"{pid}-{start}-before"})
    try:
        eventually(lambda: OWNER_VARIABLE in Path(f"/proc/{left.pid}/environ").read_text(), "its start")
        end_orphans()
        assert left.wait(10) == -signal.SIGKILL
    finally:
        left.kill()
        left.wait(10)
