"""Training of the autoencoder on frames."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from deploy.encoder.autoencoder import Autoencoder, as_floats
from deploy.local.config import ConfigError

Frames = NDArray[np.uint8]
REPORT_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How the autoencoder is trained."""

    latent: int = 32
    """Numbers that a picture becomes."""
    epochs: int = 8
    """Passes over all frames."""
    batch_size: int = 32
    """Frames an update."""
    learning_rate: float = 2e-3
    """Adam's step size; it falls to zero along a cosine."""
    kl_weight: float = 0.1
    """Of the posterior's divergence, in nats, against the squared error summed over a picture. Larger ones smooth the
    latent space; too large ones lose the road."""
    seed: int = 0
    """Seeds networks, the frames' order and the draws from the posterior."""

    def __post_init__(self) -> None:
        for name in ("latent", "epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if not self.learning_rate > 0 or not self.kl_weight >= 0:
            raise ConfigError(
                f"learning_rate is {self.learning_rate:g} and kl_weight {self.kl_weight:g}; they must be above 0 and "
                "at least 0"
            )


def train(frames: Frames, config: TrainingConfig, report: Callable[[str], None]) -> Autoencoder:
    """The autoencoder of these frames, in evaluation mode: the same one for the same seed and frames.

    Args:
        frames: uint8 [N, height, width, 3].
        config: of the training.
        report: takes a line every few seconds.
    """
    # The global generator draws the initial weights; whoever trains owns the process.
    torch.manual_seed(config.seed)
    generator = torch.Generator().manual_seed(config.seed)
    autoencoder = Autoencoder(frames.shape[1], frames.shape[2], config.latent)
    optimiser = torch.optim.Adam(autoencoder.parameters(), lr=config.learning_rate)
    batches = -(-len(frames) // config.batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, config.epochs * batches)
    pictures = torch.from_numpy(frames)
    began = told = time.monotonic()
    for epoch in range(1, config.epochs + 1):
        for number, rows in enumerate(
            torch.split(torch.randperm(len(frames), generator=generator), config.batch_size), 1
        ):
            error, divergence = autoencoder.loss(pictures[rows], config.kl_weight, generator)
            optimiser.zero_grad()
            (error + divergence).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            now = time.monotonic()
            if now - told >= REPORT_SECONDS:
                told = now
                share = ((epoch - 1) * batches + number) / (config.epochs * batches)
                report(
                    f"epoch {epoch} of {config.epochs}: squared error {error.item():.1f}, weighted "
                    f"divergence {divergence.item():.1f} a picture, {(now - began) * (1.0 / share - 1.0):.0f} s left"
                )
    return autoencoder.eval()


def reconstruction_error(autoencoder: Autoencoder, frames: Frames) -> float:
    """Root mean square over all values of reconstructions from the posterior's mean, pictures being from 0 to 1."""
    total = 0.0
    for rows in torch.split(torch.from_numpy(frames), 256):
        total += float((autoencoder.reconstruct(rows) - as_floats(rows)).square().sum())
    return float(np.sqrt(total / frames.size))
