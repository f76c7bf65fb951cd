"""An hour of many workers, and whether anything grows.

    python -m tests.benchmarks.soak --workers 64 --minutes 60

A learner process with its default settings and real worker processes, whose racetrack is held to `rate` steps a second
(see `pacing`) so that one machine carries them all. Every 10 s it reads each process's memory, threads and descriptors
and the learner's counters. The run, from the last worker's joining on, is judged by its end:

- memory: the slope of anonymous memory over the second half, by least squares, at most `max_learner_mb_per_hour` of the
  learner and `max_worker_mb_per_hour` of the mean worker; files mapped by the learner are shown and not judged;
- threads and descriptors: none more at the end than a tenth of the way in, in the learner and over all workers;
- all workers are still there, and connected.

Writes soak.jsonl as it goes, a line to standard output each minute, in the end a row of JSON, kept as results/soak.json
with a picture. The exit status is 1 where something grew or a worker was lost.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import tyro

from tests.bare_client import eventually
from tests.benchmarks.footprint import megabytes, read_footprint
from tests.benchmarks.pacing import RATE_VARIABLE
from tests.benchmarks.rows import RESULTS, stated, write_rows
from tests.benchmarks.soak_picture import draw
from tests.benchmarks.soak_verdict import Bounds, Line, conclude
from tests.system.processes import ENVIRONMENT, Fleet, fleet

SAMPLE_SECONDS: Final = 10.0
PRINT_SECONDS: Final = 60.0
JOIN_SECONDS: Final = 180.0
"""For a group of workers to join: Python's imports, numba's cache, onnxruntime."""
STOP_SECONDS: Final = 30.0


@dataclass(frozen=True, kw_only=True)
class Flags:
    """What to run, for how long, and what may grow."""

    workers: int = 64
    evaluators: int = 1
    """Of the workers."""
    minutes: float = 60.0
    """From the last worker's joining."""
    rate: float = 20.0
    """Steps a second of each simulator."""
    group: int = 4
    """Workers started at a time; the next ones follow when these have joined."""
    max_learner_mb_per_hour: float = 20.0
    max_worker_mb_per_hour: float = 2.0
    """Of the mean worker."""
    learner_flags: tuple[str, ...] = ()
    """Further flags of the learner."""
    output: Path = RESULTS / "soak.json"
    """Takes the row; the picture goes beside it."""
    run_dir: Path | None = None
    """Keeps the run directory, logs and samples here; must not exist."""


class Soak:
    """A learner and its workers, sampled."""

    def __init__(self, flags: Flags, machine: Fleet) -> None:
        self._flags = flags
        self._machine = machine
        self._workers: list[subprocess.Popen[bytes]] = []

    def start(self, run_dir: Path) -> None:
        """Starts the learner, then the workers in groups."""
        self._client = self._machine.start_learner("--run-dir", str(run_dir), *self._flags.learner_flags)
        learner = self._machine.learner_process
        assert learner is not None, "just started"
        self._learner = learner
        while len(self._workers) < self._flags.workers:
            for _ in range(min(self._flags.group, self._flags.workers - len(self._workers))):
                role = "evaluate" if len(self._workers) < self._flags.evaluators else "collect"
                flags = ("--role", role, "--env-wrapper", "tests.benchmarks.pacing:paced", "--log-level", "WARNING")
                self._workers.append(self._machine.start_worker(*flags))
            expected = len(self._workers)
            eventually(lambda expected=expected: self._connected() >= expected, "a group joins", JOIN_SECONDS)  # type: ignore[misc]
            print(f"{expected} workers have joined", flush=True)

    def sample(self, seconds: float) -> Line:
        """Where everything stands, `seconds` into the run.

        Raises:
            RuntimeError: the learner has ended.
        """
        learner = read_footprint(self._learner.pid)
        if learner is None:
            raise RuntimeError(f"the learner has ended: {self._machine.log('learner')[-2000:]}")
        footprints = [read_footprint(worker.pid) for worker in self._workers]
        workers = [footprint for footprint in footprints if footprint is not None]
        status = self._client.status()
        return {
            "seconds": round(seconds, 1),
            "learner_anonymous_mb": megabytes(learner.anonymous_bytes),
            "learner_file_mb": megabytes(learner.file_bytes),
            "learner_shared_mb": megabytes(learner.shared_bytes),
            "learner_threads": learner.threads,
            "learner_descriptors": learner.descriptors,
            "workers": len(workers),
            "workers_connected": sum(worker.connected for worker in status.workers),
            "workers_anonymous_mb": megabytes(sum(worker.anonymous_bytes for worker in workers)),
            "workers_file_mb": megabytes(sum(worker.file_bytes for worker in workers)),
            "worker_anonymous_max_mb": megabytes(max((worker.anonymous_bytes for worker in workers), default=0)),
            "workers_threads": sum(worker.threads for worker in workers),
            "worker_threads_max": max((worker.threads for worker in workers), default=0),
            "workers_descriptors": sum(worker.descriptors for worker in workers),
            "worker_descriptors_max": max((worker.descriptors for worker in workers), default=0),
            "machine_available_mb": _available_megabytes(),
            "transitions": status.transitions,
            "updates": status.updates,
            "policy_version": status.policy_version,
            "evaluated_version": status.newest_evaluation.policy_version,
            "flow_detail": status.flow_detail,
        }

    def stop(self) -> None:
        """Lets workers leave, then the learner.

        Raises:
            subprocess.TimeoutExpired: a process did not end in time.
        """
        deadline = time.monotonic() + STOP_SECONDS
        # The learner last: what workers flush as they leave is acknowledged.
        for group in (self._workers, [self._learner]):
            for process in group:
                process.terminate()
            for process in group:
                process.wait(max(deadline - time.monotonic(), 0.1))

    def _connected(self) -> int:
        for worker in self._workers:
            if worker.poll() is not None:
                raise RuntimeError(f"a worker ended with exit status {worker.returncode} while the others joined")
        return sum(worker.connected for worker in self._client.status().workers)


def soak(flags: Flags, directory: Path) -> list[Line]:
    """Runs it; the samples, also written to soak.jsonl in `directory`."""
    ENVIRONMENT[RATE_VARIABLE] = str(flags.rate)
    lines: list[Line] = []
    with ExitStack() as stack:
        run = Soak(flags, stack.enter_context(fleet(directory)))
        run.start(directory / "run")
        file = stack.enter_context((directory / "soak.jsonl").open("w"))
        started = printed = time.monotonic()
        for number in range(round(60 * flags.minutes / SAMPLE_SECONDS) + 1):
            # On a grid of times, so that slow samples do not stretch it.
            time.sleep(max(started + number * SAMPLE_SECONDS - time.monotonic(), 0.0))
            lines.append(run.sample(time.monotonic() - started))
            file.write(json.dumps(lines[-1]) + "\n")
            file.flush()
            if number == 0 or time.monotonic() - printed >= PRINT_SECONDS:
                printed = time.monotonic()
                print(_sentence(lines[-1]), flush=True)
        run.stop()
    return lines


def _available_megabytes() -> float:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return megabytes(1024 * int(line.split()[1]))
    raise RuntimeError("/proc/meminfo has no MemAvailable; this needs Linux 3.14 or later")


def _sentence(line: Line) -> str:
    return (
        f"{line['seconds'] / 60:5.1f} min: learner {line['learner_anonymous_mb']:.0f} MB + "
        f"{line['learner_file_mb']:.0f} MB of files, {line['learner_threads']} threads, "
        f"{line['learner_descriptors']} descriptors; {line['workers_connected']} workers "
        f"{line['workers_anonymous_mb']:.0f} MB, {line['workers_threads']} threads, "
        f"{line['workers_descriptors']} descriptors; {line['transitions']} transitions, {line['updates']} updates, "
        f"version {line['policy_version']}"
    )


def main(flags: Flags) -> int:
    """Runs, judges, prints and keeps; returns the exit status."""
    directory = flags.run_dir or Path(tempfile.mkdtemp(prefix="soak_"))
    directory.mkdir(parents=True, exist_ok=flags.run_dir is None)
    lines = soak(flags, directory)
    bounds = Bounds(learner_mb_per_hour=flags.max_learner_mb_per_hour, worker_mb_per_hour=flags.max_worker_mb_per_hour)
    row: dict[str, Any] = conclude(lines, workers=flags.workers, bounds=bounds) | {"flags": stated(flags)}
    print(json.dumps(row), flush=True)
    write_rows(flags.output, [row])
    draw(flags.output.with_suffix(".png"), lines, row)
    if flags.run_dir is None:
        shutil.rmtree(directory)
    return 1 if row["grown"] else 0


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Flags, description=__doc__)))
