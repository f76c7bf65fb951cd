"""Learner and worker processes for system tests: started, awaited, and ended for certain."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.bare_client import BareClient, eventually

START_SECONDS = 60.0
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class Fleet:
    """A learner and its workers."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self._directory = directory
        self._stack = stack
        self._workers = 0
        self.learner_process: subprocess.Popen[bytes] | None = None
        self.address = ""

    def start_learner(self, *flags: str) -> BareClient:
        """Starts a learner on a free port; returns a client once it serves."""
        port = () if "--port" in flags else ("--port", "0")
        return self.start_learner_program("-m", "learner_service", *port, *flags, "--address-file")

    def start_learner_program(self, *arguments: str) -> BareClient:
        """Starts a program that serves as a learner; its last argument names the address file."""
        file = self._directory / "address.json"
        file.unlink(missing_ok=True)
        process = self.learner_process = self.start("learner", *arguments, str(file))
        eventually(lambda: file.exists() or process.poll() is not None, "the learner serves", START_SECONDS)
        assert process.poll() is None, self.log("learner")
        self.address = json.loads(file.read_text())["address"]
        return self._stack.enter_context(BareClient(self.address))

    def start_worker(self, *flags: str) -> subprocess.Popen[bytes]:
        """Starts a worker named worker-1, worker-2, ..."""
        self._workers += 1
        name = f"worker-{self._workers}"
        return self.start(name, "-m", "worker_service", "--learner", self.address, "--name", name, *flags)

    def start(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Starts Python with these arguments; its output goes to NAME.log."""
        log = self._stack.enter_context((self._directory / f"{name}.log").open("wb"))
        process = subprocess.Popen([sys.executable, *arguments], stdout=log, stderr=log, env=ENVIRONMENT)
        self._stack.callback(end, process)
        return process

    def log(self, name: str) -> str:
        """What a process said so far."""
        return (self._directory / f"{name}.log").read_text()


@contextmanager
def fleet(directory: Path) -> Iterator[Fleet]:
    """A fleet whose processes are gone at the end."""
    with ExitStack() as stack:
        yield Fleet(directory, stack)


def end(process: subprocess.Popen[bytes]) -> None:
    """Kills a process that still runs."""
    if process.poll() is None:
        process.kill()
    process.wait(10)


def terminate(process: subprocess.Popen[bytes], deadline_seconds: float) -> float:
    """Sends SIGTERM and waits; returns the seconds it took. The process must end in time."""
    started = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.wait(deadline_seconds)
    return time.monotonic() - started


def status_of(client: BareClient, name: str) -> Any:
    """A worker's status by its name; None before it joined."""
    return next((worker for worker in client.status().workers if worker.name == name), None)
