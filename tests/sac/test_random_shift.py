import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from learner_service.sac.random_shift import random_shift


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(*shape: int, seed: int = 0) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator(seed))


def crops(image: Tensor, pixels: int) -> dict[tuple[int, int], Tensor]:
    """Every crop of an image [..., height, width, channels] padded with its edges, by where it begins."""
    height, width = image.shape[-3:-1]
    padding = [(0, 0)] * (image.dim() - 3) + [(pixels, pixels), (pixels, pixels), (0, 0)]
    padded = torch.from_numpy(np.pad(image.numpy(), padding, mode="edge"))
    starts = range(2 * pixels + 1)
    return {(top, left): padded[..., top : top + height, left : left + width, :] for top in starts for left in starts}


@settings(max_examples=50, deadline=None)
@given(
    frames=st.lists(st.integers(1, 3), max_size=1),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    channels=st.integers(1, 4),
    pixels=st.integers(0, 4),
    seed=st.integers(0, 2**32),
)
def test_every_image_is_a_crop_of_itself_padded(
    frames: list[int], height: int, width: int, channels: int, pixels: int, seed: int
) -> None:
    # Frames and channels of an image are cropped as one, which would show if they were not.
    images = pictures(5, *frames, height, width, channels, seed=seed)
    kept = images.clone()
    shifted = random_shift(images, pixels, generator(seed))
    assert (shifted.shape, shifted.dtype) == (images.shape, torch.uint8)
    assert torch.equal(images, kept)
    for image, result in zip(images, shifted, strict=True):
        assert any(torch.equal(result, crop) for crop in crops(image, pixels).values())


def test_all_shifts_are_equally_likely_and_each_image_has_its_own() -> None:
    image = pictures(6, 7, 3)
    shifted = random_shift(image.expand(2500, 6, 7, 3), 2, generator())
    counts = [sum(torch.equal(result, crop) for result in shifted) for crop in crops(image, 2).values()]
    assert sum(counts) == 2500
    # 100 each: five standard deviations.
    assert 50 < min(counts) <= max(counts) < 150


def test_the_generator_alone_decides() -> None:
    images, random = pictures(8, 9, 9, 3), generator(3)
    first, second = random_shift(images, 3, random), random_shift(images, 3, random)
    torch.manual_seed(99)
    assert torch.equal(random_shift(images, 3, generator(3)), first)
    assert not torch.equal(first, second)


@pytest.mark.parametrize("shape", [(4, 8, 8, 3), (4, 2, 8, 8, 1)])
def test_no_pixels_leave_images_as_they_are(shape: tuple[int, ...]) -> None:
    images = pictures(*shape)
    assert torch.equal(random_shift(images, 0, generator()), images)
