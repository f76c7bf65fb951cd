"""`python -m learner_service`: a learner from flags."""

import logging
import sys

import tyro

from learner_service.config import LearnerConfig
from learner_service.node import AsyncLearningNode, TrainingFailedError


def main() -> int:
    """Runs a learner; returns the exit status."""
    config = tyro.cli(
        LearnerConfig, prog="python -m learner_service", description=__doc__, config=(tyro.conf.OmitArgPrefixes,)
    )
    logging.basicConfig(level=config.log_level, format="%(asctime)s learner %(levelname)s: %(message)s")
    try:
        AsyncLearningNode(config=config).serve_forever()
    except (OSError, ValueError, TrainingFailedError) as error:
        print(f"learner: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
