"""The network that acts."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from distrib_l2r.spaces import Spaces
from learner_service.sac.config import SACConfig
from learner_service.sac.features import Features
from learner_service.sac.image_encoder import ImageEncoder, Trunk, encoded_columns
from learner_service.sac.mlp import MLP
from learner_service.sac.squashed_gaussian import SquashedGaussian

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
        images = encoded_columns(spaces.observation, config)
        numbers = {name: box for name, box in spaces.observation.items() if name not in images}
        self.features = Features(numbers, normalise=config.observation_normalisation)
        self.encoder = ImageEncoder(images, config) if images else None
        self.trunk = Trunk(self.encoder.size, config.encoder_features) if self.encoder is not None else None
        self.row_size = self.features.size + (config.encoder_features if images else 0)
        self.distribution = SquashedGaussian(config.action_stretch)
        self.action_size = int(np.prod(spaces.action.shape))
        self.action_shape = spaces.action.shape
        self.network = MLP(
            (self.row_size, *config.actor_hidden_sizes, 2 * self.action_size),
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
        return self.scale(self.distribution.act(self.network(self.rows(observation)), noise))

    def rows(self, observation: Mapping[str, Tensor]) -> Tensor:
        """What its network sees of an observation, float32 [batch, ...]: numbers, then features of images."""
        rows: list[Tensor] = [self.features(observation)] if self.features.size else []
        if self.encoder is not None and self.trunk is not None:
            rows.append(self.trunk(self.encoder(observation)))
        return torch.cat(rows, 1) if len(rows) > 1 else rows[0]

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
