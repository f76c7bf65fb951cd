"""The learner: keeps replay, trains on it, and publishes policy versions."""

from learner_service.config import LearnerConfig
from learner_service.node import AsyncLearningNode
from learner_service.policy import Policy
from learner_service.replay.sampling import Sampling

__all__ = ["AsyncLearningNode", "LearnerConfig", "Policy", "Sampling"]
