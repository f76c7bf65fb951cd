"""`python -m tests.chaos`: faults against real processes, and an audit of every acknowledged transition."""

import json
import shutil
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

import tyro

from tests.chaos.audit import Audit
from tests.chaos.config import ChaosConfig
from tests.chaos.experiment import Experiment
from tests.chaos.fleet import Fleet
from tests.chaos.watch import Watch


def main() -> int:
    """Runs the suite; returns the exit status, 1 on violations."""
    config = tyro.cli(ChaosConfig, prog="python -m tests.chaos", description=__doc__)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    directory = config.directory or Path(tempfile.mkdtemp(prefix="chaos-"))
    started = time.monotonic()
    with ExitStack() as stack:
        program = ("-m", "tests.chaos.planted_learner", config.plant) if config.plant else ("-m", "learner_service")
        fleet = Fleet(
            directory,
            workers=config.workers,
            stack=stack,
            learner_program=program,
            replay_capacity=config.rows,
        )
        watch = Watch(fleet)
        stack.callback(watch.close)
        experiment = Experiment(config=config, fleet=fleet, watch=watch)
        found = experiment.run()
        violations = len(watch.violations) + found.violation_count
        if violations:
            # The disk goes with the stack.
            shutil.copytree(fleet.run_directory, directory / "run")
    for sentence in (*watch.violations, *found.violations):
        print(f"VIOLATION: {sentence}")
    if config.directory is None:
        if violations:
            print(f"logs, ledgers and the run: {directory}")
        else:
            shutil.rmtree(directory)
    print(json.dumps(_figures(experiment, found, violations, time.monotonic() - started)), flush=True)
    return 1 if violations else 0


def _figures(experiment: Experiment, found: Audit, violations: int, seconds: float) -> dict[str, object]:
    fleet, watch = experiment.fleet, experiment.watch
    return {
        "faults": experiment.faults.total(),
        "violations": violations,
        "transitions_acknowledged": found.acknowledged,
        "transitions_found": found.found,
        "transitions_in_replay": found.stored,
        "seconds": round(seconds, 1),
        "seed": experiment.config.seed,
        "faults_by_kind": dict(sorted(experiment.faults.items())),
        "starts": {name: service.starts for name, service in fleet.services.items()},
        "checkpoints_struck": fleet.checkpoints_struck,
        "exits_on_full_disk": watch.exits_on_full_disk,
        "largest_megabytes": {name: round(size / 1e6) for name, size in watch.largest_bytes.items()},
        "policy_version": watch.newest_version,
    }


def _leave(number: int, _frame: FrameType | None) -> None:
    """Ends through every clean-up."""
    # Once is enough: a second Ctrl-C must not break the clean-up off.
    for ignored in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_IGN)
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
