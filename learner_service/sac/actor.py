"""The network that acts."""

import math
from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from distrib_l2r.spaces import Spaces
from learner_service.sac.config import SACConfig
from learner_service.sac.features import Features
from learner_service.sac.mlp import MLP

LOG_DEVIATION_BOUNDS = (-5.0, 2.0)
"""Between which the logarithm of the standard deviation moves, before squashing."""

ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {"silu": functional.silu, "relu": functional.relu}
"""By their name in the configuration."""


class Actor(nn.Module):
    """A Gaussian squashed by tanh, stretched and cut off to [-1, 1], then scaled to the action space's bounds.

    Args:
        spaces: of the run.
        config: its sizes.
    """

    def __init__(self, spaces: Spaces, config: SACConfig) -> None:
        super().__init__()
        self.features = Features(spaces.observation, normalise=config.observation_normalisation)
        self.action_stretch = config.action_stretch
        self.action_size = int(np.prod(spaces.action.shape))
        self.action_shape = spaces.action.shape
        self.network = MLP(
            (self.features.size, *config.actor_hidden_sizes, 2 * self.action_size),
            layer_norm=config.layer_norm,
            activation=ACTIVATIONS[config.activation],
        )
        low = torch.tensor(spaces.action.low.reshape(-1))
        high = torch.tensor(spaces.action.high.reshape(-1))
        self.low: Tensor
        self.high: Tensor
        self.centre: Tensor
        self.reach: Tensor
        # Halves first: the sum of two large bounds may be infinite. Not persistent: bounds belong to the architecture,
        # they are no weights.
        bounds = {"low": low, "high": high, "centre": low / 2 + high / 2, "reach": high / 2 - low / 2}
        for name, bound in bounds.items():
            self.register_buffer(name, bound, persistent=False)
        self.unit_bounds = bool((low == -1).all() and (high == 1).all())

    def forward(self, observation: Mapping[str, Tensor], noise: Tensor) -> Tensor:
        """Actions [batch, ...] within the action space, in its dtype.

        Args:
            observation: each column [batch, ...] in its own dtype.
            noise: float32 [batch, action size], standard normal to explore, zeros to act deterministically.
        """
        mean, log_deviation = self.gaussian(self.network(self.features(observation)))
        return self.scale(self._saturated(mean + log_deviation.exp() * noise))

    def gaussian(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the deviation before squashing, each float32 [batch, action size], of outputs."""
        mean, raw = outputs.chunk(2, -1)
        low, high = LOG_DEVIATION_BOUNDS
        # A tanh rather than a clamp, whose gradient is zero at the bounds.
        return mean, 0.5 * (low + high) + 0.5 * (high - low) * torch.tanh(raw)

    def sample(self, outputs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Actions in [-1, 1], float32 [batch, action size], and their log-probabilities, float32 [batch].

        `outputs` are the network's, [batch, 2 * action size].

        The density is that of squashed actions before they are stretched, in [-1, 1] whatever the space's bounds:
        entropies do not depend on units.
        """
        mean, log_deviation = self.gaussian(outputs)
        before = mean + log_deviation.exp() * noise
        normal = -0.5 * noise.square() - log_deviation - 0.5 * math.log(2 * math.pi)
        # log(1 - tanh(x)^2) without its cancellation at large |x|.
        squash = 2 * (math.log(2) - before - functional.softplus(-2 * before))
        return self._saturated(before), (normal - squash).sum(-1)

    def _saturated(self, before: Tensor) -> Tensor:
        """Squashed, stretched and cut off at [-1, 1]."""
        return (self.action_stretch * torch.tanh(before)).clamp(-1.0, 1.0)

    def scale(self, unit_action: Tensor) -> Tensor:
        """Actions [batch, ...] of the space, of actions in [-1, 1] [batch, action size]."""
        action = unit_action.to(self.low.dtype)
        # Where there is nothing to scale, the exported graph is spared four nodes, a sixth of them.
        if not self.unit_bounds:
            # Rounding must not carry an action past its bound: the learner refuses it.
            action = (self.centre + self.reach * action).clamp(self.low, self.high)
        return torch.unflatten(action, 1, self.action_shape)

    def shrink(self, action: Tensor) -> Tensor:
        """The inverse of `scale`, float32 [batch, action size]."""
        return ((action.flatten(1) - self.centre) / self.reach).float()
