"""The augmentation of images in updates: a random shift."""

import torch
from torch import Tensor


def random_shift(images: Tensor, pixels: int, random: torch.Generator) -> Tensor:
    """Each image shifted at random by whole pixels, all its frames and channels alike; its edges are repeated.

    The same as padding by `pixels` with the edges' values and cropping at random (Kostrikov et al. 2020,
    https://arxiv.org/abs/2004.13649, section 3.1).

    Args:
        images: [batch, ..., height, width, channels].
        pixels: most pixels up, down, left and right, at least 0.
        random: on the images' device.

    Returns:
        A tensor of the same shape and dtype.
    """
    height, width, channels = images.shape[-3:]
    frames = images.shape[1:-3].numel()
    offset = torch.randint(-pixels, pixels + 1, (2, len(images)), generator=random, device=images.device)
    down, right = offset.repeat_interleave(frames, 1).unsqueeze(2)
    rows = torch.arange(height, device=images.device).add(down).clamp_(0, height - 1)
    columns = torch.arange(width, device=images.device).add(right).clamp_(0, width - 1)
    first = height * torch.arange(len(rows), device=images.device)[:, None]
    # Each pixel's place among all: on a CPU four times as fast as an index for each dimension.
    places = (first + rows).mul_(width).unsqueeze(2) + columns.unsqueeze(1)
    return images.reshape(-1, channels).index_select(0, places.flatten()).view(images.shape)
