"""One service of the system under test: a process, its successors, and what was done to it."""

import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from deploy.local.child import Child

KILLED_SECONDS: Final = 10.0
"""A killed process is gone within milliseconds, unless the kernel itself is stuck."""


class Service:
    """A name under which one process follows the other.

    Args:
        name: learner, worker-1, ...
        command: makes the command of the next process.
        log: takes what all of them say.
    """

    def __init__(self, name: str, command: Callable[[], Sequence[str]], log: Path) -> None:
        self.name = name
        self._command = command
        self._log = log
        self._child: Child | None = None
        self.starts = 0

    @property
    def alive(self) -> bool:
        """Whether its newest process runs or is paused."""
        return self._child is not None and self._child.exit_status is None

    @property
    def exit_status(self) -> int | None:
        """Of its newest process."""
        return self._child.exit_status if self._child else None

    def start(self) -> None:
        """Starts the next process and does not wait for it."""
        assert not self.alive, f"{self.name} runs already"
        self._child = Child(self.name, self._command(), self._log)
        self.starts += 1

    def kill(self) -> None:
        """SIGKILL; the process is gone on return.

        Raises:
            TimeoutError: the kernel does not end it.
        """
        if self._child is not None:
            self._child.kill()
            if not self._child.wait(KILLED_SECONDS):
                raise TimeoutError(f"{self.name} did not end within {KILLED_SECONDS} s of SIGKILL")

    def terminate(self, deadline_seconds: float) -> str | None:
        """SIGTERM; what was wrong with how it ended, as a sentence. It is gone on return."""
        assert self._child is not None, f"{self.name} was never started"
        self._child.terminate()
        if not self._child.wait(deadline_seconds):
            self.kill()
            return f"{self.name} had not ended {deadline_seconds:.0f} s after SIGTERM"
        if self._child.exit_status != 0:
            return f"{self.name} ended with {self._child.exit_status} after SIGTERM; it must be 0\n{self.log_tail()}"
        return None

    def pause(self) -> None:
        """SIGSTOP."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT; harmless to a process that is not paused."""
        self._signal(signal.SIGCONT)

    @property
    def memory_bytes(self) -> int:
        """Memory of its own that its process holds now; files it maps are not counted. 0 while none runs."""
        if self._child is None:
            return 0
        try:
            lines = Path(f"/proc/{self._child.pid}/status").read_text().splitlines()
        except FileNotFoundError:
            return 0
        return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:")), 0)

    def log_tail(self) -> str:
        """The last lines of what it said."""
        return self._child.log_tail() if self._child else ""

    def _signal(self, number: signal.Signals) -> None:
        if self._child is not None and self._child.exit_status is None:
            os.kill(self._child.pid, number)
