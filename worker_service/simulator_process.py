"""A simulator that is a program of its own: started until it is ready, ended for certain, its log kept if it failed."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from worker_service import leash
from worker_service.backoff import Backoff
from worker_service.orphans import OWNER_VARIABLE, end_orphans, owner_mark

LEASH: Final = Path(leash.__file__)

LOGS_VARIABLE: Final = "DISTRIB_L2R_SIMULATOR_LOGS"
"""Names the folder for logs of failed simulators."""
LOGS_KEPT: Final = 50
"""Newest logs of failures that stay."""
READY_CHECK_SECONDS: Final = 0.003
"""Between two looks whether a simulator is ready: some start within 50 ms, and are started for every episode."""
KILL_SECONDS: Final = 10.0
"""A killed process is gone within milliseconds, unless the kernel itself is stuck."""
LOG_TAIL_BYTES: Final = 4096


class SimulatorProcessError(RuntimeError):
    """The program did not start, ended, or did not answer; its log was kept."""


def logs_folder() -> Path:
    """Where logs of failed simulators are kept: DISTRIB_L2R_SIMULATOR_LOGS, or a folder among temporary files."""
    named = os.environ.get(LOGS_VARIABLE)
    return Path(named) if named else Path(tempfile.gettempdir()) / "distrib-l2r-simulator-logs"


class SimulatorProcess:
    """One program, started anew as often as it takes; never two at once.

    It leads its own process group, which is ended with it, and dies with the thread that started it, and so with this
    process however that ends. What a killed worker still left behind is ended before the first start (`orphans`).

    Args:
        name: what messages call it.
        command: program and arguments.
        folder: takes its log; its working directory, if no other is given.
        ready: whether it can be used; asked again and again after each start.
        environ: environment variables beside this process's own.
        working_directory: where it runs.
        ready_seconds: deadline of a start until it is ready.
        attempts: starts before giving up, each after a longer wait.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        folder: Path,
        ready: Callable[[], bool],
        environ: Mapping[str, str] | None = None,
        working_directory: Path | None = None,
        ready_seconds: float = 30.0,
        attempts: int = 3,
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        """Output of the newest process."""
        self._command = tuple(command)
        self._ready = ready
        self._environ = dict(environ or {})
        self._working_directory = working_directory or folder
        self._ready_seconds = ready_seconds
        self._attempts = attempts
        self._process: subprocess.Popen[bytes] | None = None
        self._orphans_ended = False

    @property
    def pid(self) -> int | None:
        """Of the program and of its group; None before `start` and after `stop`."""
        return self._process.pid if self._process else None

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and _ended(self._process.pid) is None

    def start(self) -> None:
        """Starts it, in place of one that still runs, and returns once it is ready.

        Raises:
            SimulatorProcessError: no attempt succeeded; of the last.
            OSError: the log cannot be written.
        """
        if not self._orphans_ended:
            self._orphans_ended = True
            end_orphans()
        backoff = Backoff()
        for left in range(self._attempts - 1, -1, -1):
            try:
                self._start()
            except SimulatorProcessError:
                if left == 0:
                    raise
                time.sleep(backoff.next_seconds())
            else:
                return

    def stop(self, grace_seconds: float = 0.0) -> None:
        """Ends it and whatever it started: asks, if there is time to, then kills. Nothing happens if there is none.

        Raises:
            SimulatorProcessError: it does not even end by SIGKILL.
        """
        process = self._process
        if process is None:
            return
        if grace_seconds > 0:
            _signal_group(process.pid, signal.SIGTERM)
            _await_end(process.pid, grace_seconds)
        # Before it is reaped, as until then nobody else can have its process id; and ended or not, for its children.
        _signal_group(process.pid, signal.SIGKILL)
        try:
            process.wait(KILL_SECONDS)
        except subprocess.TimeoutExpired:
            raise SimulatorProcessError(
                f"{self.name} (process {process.pid}) is alive {KILL_SECONDS:g} s after SIGKILL"
            ) from None
        self._process = None

    def failure(self, what: str) -> SimulatorProcessError:
        """Ends it and keeps its log; the error to raise, one sentence.

        Args:
            what: what it did wrong, such as "has not answered within 10 s".
        """
        status = _ended(self._process.pid) if self._process else None
        self.stop()
        ending = "" if status is None else f" (it {_ending(status)})"
        try:
            kept = self._keep_log(f"{self.name} {what}{ending}")
        except OSError as error:
            return SimulatorProcessError(f"{self.name} {what}{ending}; its log could not be kept: {error}")
        last = _last_line(kept)
        return SimulatorProcessError(
            f"{self.name} {what}{ending}: see {kept}" + (f", at last {last!r}" if last else "")
        )

    def _start(self) -> None:
        self.stop()
        with self.log.open("wb") as stream:
            try:
                self._process = subprocess.Popen(  # noqa: S603
                    [sys.executable, "-ISs", str(LEASH), str(os.getpid()), *self._command],
                    stdin=subprocess.DEVNULL,
                    stdout=stream,
                    stderr=subprocess.STDOUT,
                    process_group=0,
                    cwd=self._working_directory,
                    env={**os.environ, **self._environ, OWNER_VARIABLE: owner_mark()},
                )
            except OSError as error:
                raise SimulatorProcessError(f"{self.name} cannot be started: {error}") from error
        deadline = time.monotonic() + self._ready_seconds
        while not self._ready():
            if not self.alive:
                raise self.failure("ended before it was ready")
            if time.monotonic() > deadline:
                raise self.failure(f"was not ready within {self._ready_seconds:g} s")
            time.sleep(READY_CHECK_SECONDS)

    def _keep_log(self, reason: str) -> Path:
        folder = logs_folder()
        folder.mkdir(parents=True, exist_ok=True)
        # Seconds and nanoseconds of one clock: of two, the names would not sort by age and the newest could go first.
        seconds, nanoseconds = divmod(time.time_ns(), 10**9)
        moment = time.strftime("%Y%m%dT%H%M%S", time.gmtime(seconds))
        kept = folder / f"{moment}-{nanoseconds:09d}-{os.getpid()}-{self.name}.log"
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(self.log, kept)
        with kept.open("a") as stream:
            stream.write(f"\n{reason}\n")
        for old in sorted(folder.glob("*.log"))[:-LOGS_KEPT]:
            old.unlink(missing_ok=True)
        return kept


def _ended(pid: int) -> int | None:
    """How a child ended, negative by a signal, and leaves it to be reaped; None while it runs."""
    found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if found is None:
        return None
    return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status


def _ending(status: int) -> str:
    return f"ended with exit status {status}" if status >= 0 else f"was ended by {signal.Signals(-status).name}"


def _await_end(pid: int, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while _ended(pid) is None and time.monotonic() < deadline:
        time.sleep(READY_CHECK_SECONDS)


def _signal_group(pid: int, number: signal.Signals) -> None:
    # None left, not even the one to be reaped: it has not come to lead a group yet, or cannot be signalled any more.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)


def _last_line(kept: Path) -> str:
    """The program's last words; the reason that was added is the file's last line."""
    with kept.open("rb") as stream:
        stream.seek(max(0, kept.stat().st_size - LOG_TAIL_BYTES))
        lines = [line.strip() for line in stream.read().decode(errors="replace").splitlines() if line.strip()]
    return lines[-2][:200] if len(lines) > 1 else ""
