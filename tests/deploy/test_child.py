import os
import signal
from pathlib import Path

import pytest

from deploy.local.child import Child, kill, stop
from tests.deploy.processes import IGNORES_SIGTERM, await_true, is_alive, python


def test_stop_kills_a_child_that_ignores_sigterm(tmp_path: Path) -> None:
    child = Child("stubborn", IGNORES_SIGTERM, tmp_path / "log")
    await_true(lambda: "ready" in child.log_tail(), "the child's start")
    assert stop([child], grace_seconds=0.3) == [child]
    assert child.exit_status == -signal.SIGKILL


def test_stop_lets_a_child_end_in_its_own_time(tmp_path: Path) -> None:
    leave = "def leave(*_): print('wrote everything', flush=True); sys.exit(0)\n"
    program = leave + "signal.signal(signal.SIGTERM, leave); print('ready', flush=True); time.sleep(60)"
    child = Child("polite", python(program), tmp_path / "log")
    await_true(lambda: "ready" in child.log_tail(), "the child's start")
    assert stop([child], grace_seconds=10) == []
    assert child.exit_status == 0
    assert child.log_tail() == "ready\nwrote everything"


def test_kill_takes_along_what_the_child_started(tmp_path: Path) -> None:
    program = "import subprocess; print(subprocess.Popen(['sleep', '60']).pid, flush=True); time.sleep(60)"
    child = Child("parent", python(program), tmp_path / "log")
    await_true(lambda: child.log_tail().isdigit(), "the grandchild's start")
    grandchild = int(child.log_tail())
    kill([child])
    await_true(lambda: not is_alive(grandchild), "the grandchild's end")


def test_child_leads_its_own_process_group(tmp_path: Path) -> None:
    child = Child("leader", python("time.sleep(60)"), tmp_path / "log")
    assert os.getpgid(child.pid) == child.pid != os.getpgid(0)
    kill([child])


def test_post_mortem_tells_the_ending_and_the_last_lines(tmp_path: Path) -> None:
    child = Child("worker-0", python("[print('line', i) for i in range(100)]; sys.exit(3)"), tmp_path / "log")
    assert child.wait(20)
    error = child.post_mortem("a job cannot go on without it")
    assert error.sentence == (
        f"worker-0 ended with exit status 3; a job cannot go on without it: see the end of {tmp_path}/log"
    )
    assert str(error).endswith("line 98\nline 99")
    assert "line 80" not in str(error)


def test_post_mortem_names_the_signal(tmp_path: Path) -> None:
    child = Child("worker-0", python("os.kill(os.getpid(), signal.SIGSEGV)"), tmp_path / "log")
    assert child.wait(20)
    assert "was ended by SIGSEGV" in child.post_mortem("so it goes").sentence


def test_child_runs_one_thread_a_process_unless_the_user_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("MKL_NUM_THREADS", "4")
    program = "print(os.environ['OMP_NUM_THREADS'], os.environ['MKL_NUM_THREADS'])"
    child = Child("counter", python(program), tmp_path / "log")
    assert child.wait(20)
    assert child.log_tail() == "1 4"


def test_log_is_appended_to_by_the_next_child(tmp_path: Path) -> None:
    for word in ("first", "second"):
        assert Child("speaker", python(f"print({word!r})"), tmp_path / "log").wait(20)
    assert (tmp_path / "log").read_text() == "first\nsecond\n"
