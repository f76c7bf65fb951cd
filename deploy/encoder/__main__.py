"""`python -m deploy.encoder RECORDINGS`: a variational autoencoder trained on recorded frames, for workers to run."""

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from PIL import Image

from deploy.encoder.autoencoder import STRIDES, Autoencoder
from deploy.encoder.export import export_encoder
from deploy.encoder.recorded_frames import read_frames
from deploy.encoder.training import TrainingConfig, reconstruction_error, train
from deploy.local.config import ConfigError
from worker_service.encoders.appended import Appended
from worker_service.encoders.encoder import EncoderMetadata

SHOWN = 12
"""Frames in the picture."""
CHECKED = 256
"""Frames on which the exported file is compared with what was trained."""


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """Trains an encoder on the pictures of recorded episodes, and writes it as one file, frozen."""

    recordings: tyro.conf.Positional[Path]
    """Folder of HDF5 files that a worker's --record or `python -m deploy.encoder.frames` made."""
    out: Path = Path("runs/encoder.onnx")
    """The encoder; a PNG beside it shows held-out frames above their reconstructions."""
    column: str = "camera"
    """Of the observation; holds the pictures."""
    crop: tuple[int, int, int, int] | None = None
    """Left, top, right and bottom of what is kept of a picture, pixels; all if not given."""
    size: tuple[int, int] = (64, 64)
    """Height and width that it becomes, multiples of 16."""
    append: tuple[str, ...] = ()
    """Columns that follow the latent, such as speed; one element of a column as NAME:ELEMENT."""
    held_out: float = 0.1
    """Share of episodes kept from training, on which the reconstruction error is measured."""
    training: TrainingConfig = field(default_factory=TrainingConfig)

    def __post_init__(self) -> None:
        if any(pixels < STRIDES or pixels % STRIDES for pixels in self.size):
            raise ConfigError(f"size is {self.size}; both must be multiples of {STRIDES}")
        if not 0 < self.held_out < 1:
            raise ConfigError(f"held_out is {self.held_out:g}; it must lie between 0 and 1")


def make_encoder(config: EncoderConfig) -> None:
    """Trains, checks and writes.

    Raises:
        ValueError: the recordings do not have what is asked for.
        RuntimeError: the exported file does not say what was trained.
        OSError: a file cannot be read or written.
    """
    began = time.monotonic()
    # More threads would only help where cores are idle, and would change the sums' order.
    torch.set_num_threads(1)
    frames = read_frames(
        config.recordings,
        column=config.column,
        crop=config.crop,
        size=config.size,
        appended=config.append,
        held_out_share=config.held_out,
        seed=config.training.seed,
    )
    _say(f"{len(frames.training):,} frames train, {len(frames.held_out):,} of other episodes are held out")
    autoencoder = train(frames.training, config.training, _say)
    metadata = EncoderMetadata(
        column=config.column,
        framing=frames.framing,
        latent=config.training.latent,
        appended=tuple(Appended.parse(name, 1.0 / (largest or 1.0)) for name, largest in frames.largest.items()),
    )
    difference = export_encoder(autoencoder.encoder, metadata, frames.held_out[:CHECKED], config.out)
    picture = config.out.with_suffix(".png")
    _draw(picture, autoencoder, frames.held_out)
    error = reconstruction_error(autoencoder, frames.held_out)
    _say(f"held-out reconstruction error {error:.4f}, the root mean square, of pictures from 0 to 1")
    _say(f"onnxruntime's latents equal torch's to {difference:.0e}")
    _say(f"{config.out} and {picture} in {time.monotonic() - began:.0f} s")


def _draw(file: Path, autoencoder: Autoencoder, held_out: NDArray[np.uint8]) -> None:
    """Frames above their reconstructions."""
    shown = held_out[np.linspace(0, len(held_out) - 1, SHOWN).astype(int)]
    seen = autoencoder.reconstruct(torch.from_numpy(shown)).clamp(0.0, 1.0)
    again = (255.0 * seen).round().byte().permute(0, 2, 3, 1).numpy()
    rows = [np.concatenate(list(row), axis=1) for row in (shown, again)]
    Image.fromarray(np.concatenate(rows)).save(file)


def _say(line: str) -> None:
    print(line, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Makes an encoder as the command line says; returns the exit status."""
    try:
        config = tyro.cli(EncoderConfig, prog="python -m deploy.encoder", description=__doc__, args=arguments)
        make_encoder(config)
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (ValueError, RuntimeError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
