"""What actor and critics see of the images of a batch, and the way back of their gradients."""

import copy
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from learner_service.replay.device_batch import DeviceBatch
from learner_service.sac.actor import Actor
from learner_service.sac.config import SACConfig
from learner_service.sac.image_encoder import ImageEncoder, Trunk
from learner_service.sac.random_shift import random_shift
from learner_service.sac.transitions import Transitions

_logger = logging.getLogger(__name__)


class ImageFeatures:
    """Augments and encodes images in updates, as DrQ-v2 does (Yarats et al. 2021, https://arxiv.org/abs/2107.09645).

    One encoder serves all and learns from the critics' loss alone. Actor and critics each have a trunk of their own on
    it. The target critics have a slow trunk, but no slow encoder: they see next images through the newest, as DrQ-v2's
    do, which spares a second encoder and its average.

    Gradients by hand end at the features, the last columns of the networks' rows; from there on autograd takes over.

    Args:
        encoder: of the actor.
        actor_trunk: of the actor.
        critic_trunk: of the critics.
        shift_pixels: most pixels of the random shift.
    """

    def __init__(self, encoder: ImageEncoder, actor_trunk: Trunk, critic_trunk: Trunk, shift_pixels: int) -> None:
        self._encoder = encoder
        self._actor_trunk, self._critic_trunk = actor_trunk, critic_trunk
        self._target_trunk = copy.deepcopy(critic_trunk).requires_grad_(False)
        self._shift_pixels = shift_pixels
        self.size = critic_trunk.size
        self.actor_weights: list[nn.Parameter] = list(actor_trunk.parameters())
        """Those that the actor's loss moves."""
        self.critic_weights: list[nn.Parameter] = [*critic_trunk.parameters(), *encoder.parameters()]
        """Those that the critics' loss moves, the encoder's at the end."""
        self.target_weights: list[nn.Parameter] = list(self._target_trunk.parameters())

    @property
    def parts(self) -> dict[str, Any]:
        """Of the state, beside the actor."""
        return {"critic_trunk": self._critic_trunk, "target_critic_trunk": self._target_trunk}

    def added(self, transitions: Transitions, batch: DeviceBatch, random: torch.Generator) -> Transitions:
        """The transitions with the batch's images, shifted at random, as the last features.

        What the gradients need is remembered until they are asked for.
        """
        images, next_images = self._shifted(batch.observation, random), self._shifted(batch.next_observation, random)
        with torch.enable_grad():
            encoded = self._encoder(images)
            self._encoded = encoded.detach()
            self._critic_seen: Tensor = self._critic_trunk(encoded)
            self._actor_seen: Tensor = self._actor_trunk(self._encoded)
        with torch.no_grad():
            next_encoded = self._encoder(next_images)
            return transitions._replace(
                features=torch.cat([transitions.features, self._actor_seen], 1),
                critic_features=torch.cat([transitions.critic_features, self._critic_seen], 1),
                next_features=torch.cat([transitions.next_features, self._actor_trunk(next_encoded)], 1),
                next_critic_features=torch.cat([transitions.next_critic_features, self._target_trunk(next_encoded)], 1),
            )

    @torch.no_grad()
    def renewed(self, critic_features: Tensor) -> Tensor:
        """The critics' features of the newest images by their trunk as it is now, which has moved since."""
        return torch.cat([critic_features[:, : -self.size], self._critic_trunk(self._encoded)], 1)

    def critic_backward(self, by_features: Tensor, into: Sequence[Tensor]) -> Tensor:
        """Writes gradients of the critics' loss.

        Args:
            by_features: its gradient by the critics' features of images, [B, size].
            into: ends with those of `critic_weights`.

        Returns:
            The Euclidean norm of the encoder's, float32 [].
        """
        gradients = _backward(self._critic_seen, self.critic_weights, by_features, into)
        encoder = gradients[-len(list(self._encoder.parameters())) :]
        norm: Tensor = torch.linalg.vector_norm(torch.cat([gradient.flatten() for gradient in encoder]))
        return norm

    def actor_backward(self, by_features: Tensor, into: Sequence[Tensor]) -> None:
        """Writes gradients of the actor's loss, likewise; they end at its trunk."""
        _backward(self._actor_seen, self.actor_weights, by_features, into)

    def _shifted(self, observation: Mapping[str, Tensor], random: torch.Generator) -> dict[str, Tensor]:
        return {name: random_shift(observation[name], self._shift_pixels, random) for name in self._encoder.names}


def image_features(actor: Actor, config: SACConfig) -> ImageFeatures | None:
    """Of an actor with an encoder, on its device; None for one without."""
    if actor.encoder is None or actor.trunk is None:
        return None
    device = actor.low.device
    _logger.info("images %s go through a convolutional encoder on %s", ", ".join(actor.encoder.names), device)
    if device.type == "cpu":
        _logger.warning("on a CPU convolutions leave a few updates a second; learning from images wants a GPU")
    critic_trunk = Trunk(actor.encoder.size, config.encoder_features).to(device)
    return ImageFeatures(actor.encoder, actor.trunk, critic_trunk, config.random_shift_pixels)


def _backward(
    seen: Tensor, weights: Sequence[nn.Parameter], by_seen: Tensor, into: Sequence[Tensor]
) -> tuple[Tensor, ...]:
    gradients = torch.autograd.grad(seen, weights, by_seen)
    for gradient, place in zip(gradients, into[-len(weights) :], strict=True):
        place.copy_(gradient)
    return gradients
