"""Updates a second from images on a CPU, against what their convolutions alone would allow.

    python -m tests.benchmarks.image_updates --quick

Batches of pictures of 64 x 64 pixels, uint8, and three numbers, default networks, one torch thread. `default` has
DrQ-v2's strides, `strided` a second stride of 2. The baseline of each is the convolutions themselves: forward for
images and next images, backward for images. Rounds are blocks taken by turns, in CPU time of the thread.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
import tyro

from distrib_l2r.spaces import Box, Spaces
from learner_service.replay.batch import Batch
from learner_service.sac.config import SACConfig
from learner_service.sac.image_encoder import ImageEncoder
from learner_service.sac.sac import SAC
from tests.benchmarks.comparison import Comparison, Report

STRIDES: Mapping[str, tuple[int, ...]] = {"default": SACConfig().encoder_strides, "strided": (2, 2, 1, 1)}
SIDE = 64


@dataclass(frozen=True, kw_only=True)
class Flags:
    """What to update."""

    batch_size: int = 128
    updates: int = 4
    """Of a block."""
    rounds: int = 7
    quick: bool = False
    """Few rounds."""
    keep: bool = False
    """Keep the rows in results/."""


def spaces() -> Spaces:
    """A camera and how a car moves."""
    camera = Box(low=np.zeros((SIDE, SIDE, 3), np.uint8), high=np.full((SIDE, SIDE, 3), 255, np.uint8))
    speed = Box(low=np.full(3, -1, np.float32), high=np.full(3, 1, np.float32))
    action = Box(low=np.full(2, -1, np.float32), high=np.full(2, 1, np.float32))
    return Spaces(observation={"camera": camera, "speed": speed}, action=action)


def batch(size: int) -> Batch:
    """Of noise."""
    random = np.random.default_rng(0)

    def observation() -> dict[str, np.ndarray]:
        camera = random.integers(0, 256, (size, SIDE, SIDE, 3), np.uint8)
        return {"camera": camera, "speed": random.random((size, 3), np.float32)}

    return Batch(
        observation=observation(),
        privileged={},
        action=random.random((size, 2), np.float32),
        n_step_return=random.random(size, np.float32),
        bootstrap_discount=np.full(size, 0.9, np.float32),
        next_observation=observation(),
        next_privileged={},
    )


def compare(flags: Flags) -> Iterator[Comparison]:
    """A row for each kind of strides."""
    images = batch(flags.batch_size)
    for name, strides in STRIDES.items():
        config = SACConfig(encoder_strides=strides, batch_size=flags.batch_size, device="cpu")
        policy = SAC(spaces(), config)
        sides: dict[str, Callable[[], object]] = {
            "ours": partial(policy.update, images),
            "bare": _convolutions(config, images),
        }
        rates: dict[str, list[float]] = {side: [] for side in sides}
        for round_number in range(flags.rounds + 1):
            for side, call in sides.items():
                started = time.thread_time()
                for _ in range(flags.updates):
                    call()
                # The first warms up.
                if round_number:
                    rates[side].append(flags.updates / (time.thread_time() - started))
        yield Comparison(
            name=f"image_updates_{name}/{flags.batch_size}",
            unit="updates/CPU s",
            values=rates["ours"],
            baselines=rates["bare"],
        )


def _convolutions(config: SACConfig, images: Batch) -> Callable[[], object]:
    encoder = ImageEncoder({"camera": spaces().observation["camera"]}, config)
    weights = list(encoder.parameters())
    one, other = (torch.from_numpy(columns["camera"]) for columns in (images.observation, images.next_observation))

    def run() -> object:
        with torch.no_grad():
            encoder({"camera": other})
        encoded = encoder({"camera": one})
        return torch.autograd.grad(encoded, weights, torch.ones_like(encoded))

    return run


def main(flags: Flags) -> None:
    """Measures and prints."""
    if flags.quick:
        flags = replace(flags, rounds=3, updates=2)
    torch.set_num_threads(1)
    report = Report("image_updates", flags)
    report.add(compare(flags))
    report.close()


if __name__ == "__main__":
    main(tyro.cli(Flags, description=__doc__))
