"""A learner process that trains, for benchmarks that load it: its counters, its trainer's CPU time, its memory."""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.bare_client import BareClient, eventually
from tests.benchmarks.cpu_seconds import process_seconds, thread_seconds
from tests.benchmarks.footprint import Footprint, read_footprint
from tests.benchmarks.generators import Generators
from tests.benchmarks.load import Load
from tests.benchmarks.named_threads import FILE_VARIABLE
from tests.system.processes import ENVIRONMENT, fleet

UNBALANCED: Final = ("--samples-per-insert-min", "0", "--samples-per-insert-max", "1e12")
"""Neither side ever waits for the other."""
FILL_SECONDS: Final = 120.0
FIRST_UPDATES: Final = 50


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Where the learner stands."""

    at: float
    """Monotonic seconds."""
    transitions: int
    updates: int
    version: int
    trainer_seconds: float
    """CPU time of the trainer's thread."""
    process_seconds: float
    """CPU time of all threads."""


class TrainingLearner:
    """One that is up and trains."""

    def __init__(self, client: BareClient, address: str, pid: int, trainer: int) -> None:
        self._client = client
        self._trainer = trainer
        self.address = address
        self.pid = pid

    def read(self) -> Reading:
        """Its counters now."""
        status: Any = self._client.status()
        return Reading(
            at=time.monotonic(),
            transitions=status.transitions,
            updates=status.updates,
            version=status.policy_version,
            trainer_seconds=thread_seconds(self.pid, self._trainer),
            process_seconds=process_seconds(self.pid),
        )

    def footprint(self) -> Footprint:
        """Its memory now.

        Raises:
            RuntimeError: it has ended.
        """
        footprint = read_footprint(self.pid)
        if footprint is None:
            raise RuntimeError(f"learner process {self.pid} has ended")
        return footprint


@contextmanager
def training_learner(
    directory: Path, generators: Generators, *flags: str, transitions: int = 20_000
) -> Iterator[TrainingLearner]:
    """A learner in `directory` with so many transitions in replay and its first updates done.

    Raises:
        AssertionError: it did not start, fill or train in time.
    """
    directory.mkdir(parents=True)
    threads = directory / "threads.json"
    with ExitStack() as stack:
        # Processes started by a fleet get its environment.
        ENVIRONMENT[FILE_VARIABLE] = str(threads)
        machine = stack.enter_context(fleet(directory))
        arguments = ("--run-dir", str(directory / "run"), "--port", "0", "--log-level", "WARNING", *flags)
        client = machine.start_learner_program(
            "-m", "tests.benchmarks.named_threads", *arguments, *UNBALANCED, "--address-file"
        )
        process = machine.learner_process
        assert process is not None, "just started"
        with generators.running(Load(target="learner", address=machine.address, streams=1)):
            eventually(lambda: client.status().transitions >= transitions, "replay fills", FILL_SECONDS)
        eventually(lambda: client.status().updates >= FIRST_UPDATES, "the first updates", FILL_SECONDS)
        os.kill(process.pid, signal.SIGUSR1)
        eventually(threads.exists, "the learner tells its threads")
        yield TrainingLearner(client, machine.address, process.pid, json.loads(threads.read_text())["trainer"])
