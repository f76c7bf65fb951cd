"""The policy that a learner trains unless it is given one."""

import logging

from distrib_l2r.spaces import Spaces
from learner_service.config import LearnerConfig
from learner_service.policy import Policy
from learner_service.sac.sac import SAC
from learner_service.sac_then_mirrored import SACThenMirrored

_logger = logging.getLogger(__name__)


def make_policy(spaces: Spaces, config: LearnerConfig) -> Policy:
    """SAC, or SAC and then mirrored pairs."""
    sac = SAC(spaces, config.sac, seed=config.seed)
    after_updates = config.mirrored_after_updates
    if not after_updates:
        return sac
    if sac.actor.encoder is not None:
        _logger.warning("the policy encodes images, which mirrored pairs are not for: SAC trains it to the end")
        return sac
    return SACThenMirrored(sac, config.mirrored, after_updates=after_updates, seed=config.seed)
