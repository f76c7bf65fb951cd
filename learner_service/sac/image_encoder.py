"""Images as features."""

import logging
import math
from collections.abc import Mapping
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from distrib_l2r.spaces import Box
from learner_service.sac.config import SACConfig
from learner_service.sac.mlp import Linear

_logger = logging.getLogger(__name__)

SMALLEST_SIDE: Final = 32
"""Pixels; smaller pictures are numbers like any others."""

_KERNEL: Final = 3


def is_image(box: Box) -> bool:
    """Whether a column holds images: uint8 [height, width, channels], or several frames [frames, height, ...]."""
    return box.dtype == np.uint8 and len(box.shape) in (3, 4) and min(box.shape[-3:-1]) >= SMALLEST_SIDE


def encoded_columns(observation: Mapping[str, Box], config: SACConfig) -> dict[str, Box]:
    """The columns that go through an `ImageEncoder`."""
    if not config.image_encoder:
        return {}
    for name, box in observation.items():
        if box.dtype == np.uint8 and math.prod(box.shape) >= SMALLEST_SIDE**2 and not is_image(box):
            _logger.warning(
                "observation %r is %s and taken for %d numbers, not for an image: images are uint8 [height, width, "
                "channels], or [frames, height, width, channels], with sides of at least %d pixels",
                name,
                box,
                math.prod(box.shape),
                SMALLEST_SIDE,
            )
    return {name: box for name, box in observation.items() if is_image(box)}


class ImageEncoder(nn.Module):
    """Convolutions over images, each column with its own; frames count as channels.

    3 x 3 kernels without padding, each followed by a relu, as in DrQ-v2 (Yarats et al. 2021,
    https://arxiv.org/abs/2107.09645).

    Args:
        images: the columns.
        config: channels and strides.

    Raises:
        ValueError: an image is too small for so many strides.
    """

    def __init__(self, images: Mapping[str, Box], config: SACConfig) -> None:
        super().__init__()
        self.names = tuple(images)
        self.stacks = nn.ModuleList(_convolutions(_channels(box), config) for box in images.values())
        self.size = sum(_size(name, box, config) for name, box in images.items())

    def forward(self, observation: Mapping[str, Tensor]) -> Tensor:
        """Float32 [batch, size] of uint8 columns [batch, ..., height, width, channels]; others are left out."""
        encoded = [
            stack(_pixels(observation[name])).flatten(1) for name, stack in zip(self.names, self.stacks, strict=True)
        ]
        return encoded[0] if len(encoded) == 1 else torch.cat(encoded, 1)


class Trunk(nn.Module):
    """What lies between convolutions and fully connected layers: linear, layer norm, tanh.

    Args:
        inputs: size of a row.
        outputs: size of a row of the result.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.size = outputs
        self.linear = Linear(inputs, outputs)
        self.norm = nn.LayerNorm(outputs)

    def forward(self, encoded: Tensor) -> Tensor:
        """Float32 [batch, outputs] in [-1, 1] of float32 [batch, inputs]."""
        return torch.tanh(self.norm(self.linear(encoded)))


def _convolutions(channels: int, config: SACConfig) -> nn.Sequential:
    layers: list[nn.Module] = []
    for outputs, stride in zip(config.encoder_channels, config.encoder_strides, strict=True):
        convolution = nn.Conv2d(channels, outputs, _KERNEL, stride)
        nn.init.orthogonal_(convolution.weight, math.sqrt(2))
        nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
        layers += [convolution, nn.ReLU()]
        channels = outputs
    return nn.Sequential(*layers)


def _pixels(images: Tensor) -> Tensor:
    """Float32 [batch, channels, height, width] in [-0.5, 0.5]."""
    if images.dim() == 5:
        images = images.movedim(1, 3).flatten(3)
    return images.permute(0, 3, 1, 2).float() / 255 - 0.5


def _channels(box: Box) -> int:
    return box.shape[-1] * math.prod(box.shape[:-3])


def _size(name: str, box: Box, config: SACConfig) -> int:
    """Numbers that an image's convolutions give."""
    height, width = box.shape[-3:-1]
    for stride in config.encoder_strides:
        height, width = ((side - _KERNEL) // stride + 1 for side in (height, width))
    if min(height, width) < 1:
        raise ValueError(
            f"observation {name!r} is {box}; convolutions with encoder_strides {config.encoder_strides} leave nothing "
            "of it: give fewer strides above 1, or larger images"
        )
    return height * width * config.encoder_channels[-1]
