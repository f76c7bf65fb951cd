"""What the learner asks of an algorithm: the small interface behind `AsyncLearningNode(policy=...)`."""

from collections.abc import Mapping
from typing import Any, Protocol

import torch

from distrib_l2r.spaces import Spaces
from distrib_l2r.tensor import Array
from learner_service.replay.batch import Batch
from learner_service.replay.sampling import Sampling


class Policy(Protocol):
    """An off-policy algorithm.

    The trainer thread alone calls it; no method needs to be thread-safe.
    """

    @property
    def spaces(self) -> Spaces:
        """The spaces it acts in."""

    @property
    def sampling(self) -> Sampling:
        """The batches it wants; others from any `calibrate` or `load_state_dict` on, if it likes."""

    @property
    def actor(self) -> torch.nn.Module:
        """The network that acts.

        `actor(observation, noise)` maps a dict of observation columns [batch, ...] and float32 noise
        [batch, action size] to actions [batch, ...] within the action space; zero noise acts deterministically. Clamp
        the actions: rounding may carry a tanh past 1, and the learner refuses what lies outside. The actor's parameters
        and buffers, observation statistics included, are the weights that travel.
        """

    def calibrate(self, observation: Mapping[str, Array], discounted_return: Array) -> None:
        """Takes in statistics of replay, before the first update and every few hundred.

        Args:
            observation: uniformly sampled observation rows, each column [N, ...].
            discounted_return: float32 [N], discounted sums of rewards that followed these rows.
        """

    def update(self, batch: Batch) -> None:
        """One gradient update. The batch's arrays are valid until it returns."""

    def metrics(self) -> Mapping[str, float]:
        """Newest figures of training such as losses; asked for about once a second."""

    def state_dict(self) -> dict[str, Any]:
        """All that `load_state_dict` needs to go on exactly as if never stopped."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes up a state."""
