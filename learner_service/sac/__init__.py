"""Soft actor-critic."""

from learner_service.sac.config import SACConfig
from learner_service.sac.sac import SAC

__all__ = ["SAC", "SACConfig"]
