"""SAC as far as it gets, then mirrored pairs."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from distrib_l2r.spaces import Spaces
from distrib_l2r.tensor import Array
from learner_service.mirrored.config import MirroredConfig
from learner_service.mirrored.policy_gradient import MirroredPolicyGradient
from learner_service.replay.batch import Batch
from learner_service.replay.sampling import Sampling
from learner_service.sac.actor import Actor
from learner_service.sac.sac import SAC

_logger = logging.getLogger(__name__)


class SACThenMirrored:
    """A `Policy`: SAC learns to drive from little data, mirrored pairs take the last hundredths from much.

    One actor all the way. From the change on SAC's critics, temperature, observation statistics and return scale stay
    as they are; a checkpoint keeps them with the rest.

    Args:
        sac: makes the first updates; its actor encodes no images.
        config: of what follows.
        after_updates: of SAC, at least 1; then the change comes at the next look at replay's statistics, if there is
            enough data for it.
        seed: of the order of steps.

    Raises:
        ValueError: the actor encodes images.
    """

    def __init__(self, sac: SAC, config: MirroredConfig, *, after_updates: int, seed: int) -> None:
        if sac.actor.encoder is not None:
            raise ValueError("the actor encodes images; mirrored pairs are for numbers alone: use SAC to the end")
        self.sac = sac
        self.mirrored: MirroredPolicyGradient | None = None
        """At work once it is there."""
        self.enough_data: Callable[[], bool] = lambda: True
        """Whether workers bring what pairs take."""
        self._config = config
        self._after_updates = after_updates
        self._seed = seed

    @property
    def spaces(self) -> Spaces:
        """Of the run."""
        return self.sac.spaces

    @property
    def sampling(self) -> Sampling:
        """What whoever is at work wants."""
        return self.sac.sampling if self.mirrored is None else self.mirrored.sampling

    @property
    def actor(self) -> Actor:
        """SAC's, all the way."""
        return self.sac.actor

    def calibrate(self, observation: Mapping[str, Array], discounted_return: npt.NDArray[np.float32]) -> None:
        """See `Policy`; the change comes here when it is due, and leaves the statistics as they are."""
        if self.mirrored is not None:
            return
        if self.sac.updates >= self._after_updates and self.enough_data():
            self.mirrored = self._begin()
            _logger.info("after %d updates of SAC the policy goes on from mirrored pairs", self.sac.updates)
        else:
            self.sac.calibrate(observation, discounted_return)

    def update(self, batch: Batch) -> None:
        """One gradient update of SAC; what follows it takes pairs, see `MirroredUpdates`."""
        self.sac.update(batch)

    def metrics(self) -> dict[str, float]:
        """Newest figures of whoever is at work."""
        return self.sac.metrics() if self.mirrored is None else self.mirrored.metrics()

    def state_dict(self) -> dict[str, Any]:
        """A copy of everything."""
        mirrored = None if self.mirrored is None else self.mirrored.state_dict()
        return {"sac": self.sac.state_dict(), "mirrored": mirrored}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes up a state of the same spaces and configuration, before or after the change."""
        self.sac.load_state_dict(state["sac"])
        self.mirrored = None
        if state["mirrored"] is not None:
            self.mirrored = self._begin()
            self.mirrored.load_state_dict(state["mirrored"])

    def _begin(self) -> MirroredPolicyGradient:
        return MirroredPolicyGradient(self.actor, self._config, seed=self._seed)
