"""A run of the launcher, watched through its run directory and ended early where it has shown enough."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from deploy.local.learning_curve import read_lines
from tests.benchmarks.time_to_ratio import Attempt

POLL_SECONDS: Final = 2.0

EXPECTED_STATUSES: Final = (0, 1, 130)
"""A job that did its work, one whose budget ended without a lap, and one that was ended early."""


def read_attempts(run_dir: Path, optimum_seconds: float) -> list[Attempt]:
    """Evaluations of a run, in order of time.

    `wall_seconds` counts from the arrival of the run's first chunk of transitions to that of the evaluation's end.
    """
    return [
        Attempt(
            seconds=line["wall_seconds"],
            lap_ratio=None if line["best_lap_seconds"] is None else line["best_lap_seconds"] / optimum_seconds,
        )
        for line in read_lines(run_dir / "evaluations.jsonl")
    ]


def launch(
    module: str,
    flags: Sequence[str],
    run_dir: Path,
    *,
    optimum_seconds: float,
    environment: Mapping[str, str] | None = None,
    enough: Callable[[list[Attempt]], bool] = lambda _: False,
) -> list[Attempt]:
    """Runs `python -m module flags --run-dir run_dir` until it ends or `enough`; returns its evaluations.

    Raises:
        RuntimeError: the job failed.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    output = run_dir / "output.txt"
    with (
        output.open("wb") as stream,
        subprocess.Popen(
            [sys.executable, "-m", module, *flags, "--run-dir", str(run_dir)],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
        ) as process,
    ):
        try:
            while process.poll() is None:
                time.sleep(POLL_SECONDS)
                if enough(read_attempts(run_dir, optimum_seconds)):
                    process.send_signal(signal.SIGINT)
                    break
            status = process.wait()
        except BaseException:
            process.terminate()
            raise
    progress = read_lines(run_dir / "progress.jsonl")
    if status not in EXPECTED_STATUSES or not progress:
        raise RuntimeError(f"{module} ended with exit status {status}: see {output}")
    return read_attempts(run_dir, optimum_seconds)


def last_progress(run_dir: Path) -> Mapping[str, Any]:
    """The newest line of progress.jsonl: transitions, updates and flow at the end."""
    return read_lines(run_dir / "progress.jsonl")[-1]
