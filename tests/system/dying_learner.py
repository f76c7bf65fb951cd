"""A learner whose algorithm fails at its third update."""

import sys
from pathlib import Path

from learner_service import AsyncLearningNode, LearnerConfig
from learner_service.config import EnvironmentConfig, FlowConfig, TransportConfig
from learner_service.node import TrainingFailedError
from tests.fakes import CountingPolicy

if __name__ == "__main__":
    config = LearnerConfig(
        environment=EnvironmentConfig(env="tests.fakes:Counting-v0"),
        flow=FlowConfig(min_transitions=32),
        transport=TransportConfig(port=0, address_file=Path(sys.argv[1])),
    )
    try:
        AsyncLearningNode(CountingPolicy(fail_at_update=3), config).serve_forever()
    except TrainingFailedError as error:
        print(f"learner: {error.__cause__}", file=sys.stderr)
        sys.exit(1)
