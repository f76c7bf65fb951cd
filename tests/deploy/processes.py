"""Real processes for tests, and waiting for what they do."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]

WAIT_SECONDS: Final = 60.0


def python(program: str) -> list[str]:
    """The command that runs `program`, which may use os, signal, sys and time."""
    return [sys.executable, "-c", f"import os, signal, sys, time\n{program}"]


IGNORES_SIGTERM: Final = python(
    "signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
)


def await_true(condition: Callable[[], object], what: str) -> None:
    """Returns once the condition holds; fails the test if it does not in time."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {WAIT_SECONDS} s"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that ended but was never waited for does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat").read_text()
    return stat.rpartition(")")[2].split()[0] != "Z"
