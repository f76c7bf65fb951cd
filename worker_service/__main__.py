"""`python -m worker_service`: a worker from flags."""

import logging
import sys

import gymnasium
import tyro

from worker_service.client import LearnerRefusedError
from worker_service.config import WorkerConfig
from worker_service.worker import AsyncWorker


def main() -> int:
    """Runs a worker; returns the exit status."""
    config = tyro.cli(WorkerConfig, prog="python -m worker_service", description=__doc__)
    logging.basicConfig(level=config.log_level, format=f"%(asctime)s {config.name} %(levelname)s: %(message)s")
    try:
        AsyncWorker(config=config).work()
    except (OSError, ValueError, TypeError, LearnerRefusedError, gymnasium.error.Error) as error:
        print(f"worker {config.name}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
