"""A child process: its command, its log file, and its end within a deadline."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from deploy.local.job_error import JobError
from worker_service import leash

LEASH: Final = Path(leash.__file__)

THREADS: Final[Mapping[str, str]] = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
}
"""Several processes share few cores: more threads in each make all of them slower. The user's own values stand."""

LOG_TAIL_BYTES: Final = 16_384
"""How far back from its end a log is read for its last lines."""

KILL_SECONDS: Final = 10.0
"""A killed process is gone within milliseconds, unless the kernel itself is stuck."""


class Child:
    """A process that its launcher owns; it dies with the launcher, however that dies.

    It leads its own process group, so that Ctrl-C in a terminal reaches the launcher alone, and a kill takes along
    whatever the child itself started. Start it from the thread that lives longest, the main one: the kernel counts a
    thread's end as the parent's.
    """

    def __init__(self, name: str, command: Sequence[str], log: Path, environ: Mapping[str, str] | None = None) -> None:
        """Starts it.

        Args:
            name: what messages call it.
            command: program and arguments.
            log: takes its standard output and error, appended to what is there.
            environ: environment variables for it; the user's own stand.

        Raises:
            OSError: it cannot be started, or the log cannot be written.
        """
        self.name = name
        self.log = log
        self.started_seconds = time.monotonic()
        with log.open("ab") as stream:
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-ISs", str(LEASH), str(os.getpid()), *command],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                process_group=0,
                env={**THREADS, **(environ or {}), **os.environ, "PYTHONUNBUFFERED": "1"},
            )

    @property
    def pid(self) -> int:
        """Process id, and that of its group."""
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self._process.poll()

    @property
    def age_seconds(self) -> float:
        """Since its start."""
        return time.monotonic() - self.started_seconds

    def log_tail(self, lines: int = 12) -> str:
        """The last lines of its log."""
        with self.log.open("rb") as stream:
            stream.seek(max(0, self.log.stat().st_size - LOG_TAIL_BYTES))
            text = stream.read().decode(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def post_mortem(self, what: str) -> JobError:
        """The error that says how the child ended, what that means, and the end of its log."""
        status = self.exit_status
        if status is None:
            how = "runs"
        elif status < 0:
            how = f"was ended by {signal.Signals(-status).name}"
        else:
            how = f"ended with exit status {status}"
        return JobError(f"{self.name} {how}; {what}: see the end of {self.log}\n{self.log_tail()}")

    def terminate(self) -> None:
        """Asks it to end."""
        self._process.terminate()

    def kill(self) -> None:
        """Ends it and its process group at once."""
        if self.exit_status is None:
            os.killpg(self.pid, signal.SIGKILL)

    def wait(self, timeout_seconds: float) -> bool:
        """Whether it ended within this time."""
        try:
            self._process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            return False
        return True


def stop(children: Sequence[Child], grace_seconds: float) -> list[Child]:
    """Asks all to end, gives them the same time for it, and kills those that remain; returns the killed.

    Raises:
        JobError: one does not even end by SIGKILL.
    """
    for child in children:
        child.terminate()
    deadline = time.monotonic() + grace_seconds
    late = [child for child in children if not child.wait(max(0.0, deadline - time.monotonic()))]
    kill(late)
    return late


def kill(children: Sequence[Child]) -> None:
    """Ends all that still run, at once.

    Raises:
        JobError: one does not even end by SIGKILL.
    """
    for child in children:
        child.kill()
    for child in children:
        if not child.wait(KILL_SECONDS):
            raise JobError(f"{child.name} (process {child.pid}) is alive {KILL_SECONDS:g} s after SIGKILL")
