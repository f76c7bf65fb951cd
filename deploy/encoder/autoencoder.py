"""The variational autoencoder: pictures to a few numbers and back.

Kingma and Welling 2014 (https://arxiv.org/abs/1312.6114), with the layers of Ha and Schmidhuber's World Models
(https://arxiv.org/abs/1803.10122) at half their width.
"""

from typing import Final

import torch
from torch import Tensor, nn

STRIDES: Final = 16
"""Height and width of pictures are multiples of it: four layers halve them."""
CHANNELS: Final = (16, 32, 64, 128)
INITIAL_LOG_VARIANCE: Final = -4.0


class PictureEncoder(nn.Module):
    """Pictures to the mean and the log variance of their posterior.

    Args:
        height, width: of pictures, multiples of 16.
        latent: numbers that a picture becomes.
    """

    def __init__(self, height: int, width: int, latent: int) -> None:
        super().__init__()
        channels = (3, *CHANNELS)
        layers: list[nn.Module] = []
        for before, after in zip(channels, CHANNELS, strict=False):
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Flatten())
        flat = CHANNELS[-1] * (height // STRIDES) * (width // STRIDES)
        self.mean = nn.Linear(flat, latent)
        self.log_variance = nn.Linear(flat, latent)
        # A posterior as wide as the prior would drown the picture before anything is learnt of it.
        nn.init.constant_(self.log_variance.bias, INITIAL_LOG_VARIANCE)
        _keep_scale(self.layers)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance, each float32 [N, latent], of uint8 [N, height, width, 3]."""
        features = self.layers(as_floats(pictures))
        return self.mean(features), self.log_variance(features)


class PictureDecoder(nn.Module):
    """The latent back to pictures; arguments as the encoder's."""

    def __init__(self, height: int, width: int, latent: int) -> None:
        super().__init__()
        rows, columns = height // STRIDES, width // STRIDES
        channels = CHANNELS[::-1]
        layers: list[nn.Module] = [
            nn.Linear(latent, channels[0] * rows * columns),
            nn.Unflatten(1, (channels[0], rows, columns)),
        ]
        for before, after in zip(channels, (*channels[1:], 3), strict=True):
            layers += [nn.ReLU(), nn.ConvTranspose2d(before, after, 4, stride=2, padding=1)]
        self.layers = nn.Sequential(*layers)
        _keep_scale(self.layers)

    def forward(self, latent: Tensor) -> Tensor:
        """float32 [N, 3, height, width], about from 0 to 1, of float32 [N, latent]."""
        pictures: Tensor = self.layers(latent)
        return pictures


class Autoencoder(nn.Module):
    """Encoder and decoder, trained together."""

    def __init__(self, height: int, width: int, latent: int) -> None:
        super().__init__()
        self.encoder = PictureEncoder(height, width, latent)
        self.decoder = PictureDecoder(height, width, latent)

    def loss(self, pictures: Tensor, kl_weight: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """What a batch costs a picture, in two parts.

        They are the squared error of its reconstruction, summed over all values, and the weighted divergence of its
        posterior from the standard normal.

        Args:
            pictures: uint8 [N, height, width, 3].
            kl_weight: of the divergence, in nats.
            generator: draws from the posterior.
        """
        mean, log_variance = self.encoder(pictures)
        noise = torch.randn(mean.shape, generator=generator)
        seen = self.decoder(mean + noise * torch.exp(0.5 * log_variance))
        error = (seen - as_floats(pictures)).square().sum() / len(pictures)
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).sum() / len(pictures)
        return error, kl_weight * divergence

    @torch.no_grad()
    def reconstruct(self, pictures: Tensor) -> Tensor:
        """float32 [N, 3, height, width] from the posterior's mean, as workers use it."""
        pictures_again: Tensor = self.decoder(self.encoder(pictures)[0])
        return pictures_again


def as_floats(pictures: Tensor) -> Tensor:
    """float32 [N, 3, H, W] from 0 to 1 of uint8 [N, H, W, 3]."""
    return pictures.permute(0, 3, 1, 2).float() / 255.0


def _keep_scale(layers: nn.Sequential) -> None:
    """Draws weights with which values keep their scale from layer to layer, as ReLU halves their squares.

    He et al. 2015 (https://arxiv.org/abs/1502.01852); with torch's own they shrink, and learning begins late.
    """
    for layer in layers:
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            # Of a transposed layer of stride 2 and kernel 4, a quarter of the kernel reaches each pixel.
            reached = 16 if isinstance(layer, nn.Conv2d) else 4
            nn.init.normal_(layer.weight, std=(2.0 / (reached * layer.in_channels)) ** 0.5)
            assert layer.bias is not None, "of the default"
            nn.init.zeros_(layer.bias)
