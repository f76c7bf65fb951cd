"""Observation columns as one row of numbers for a network."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from distrib_l2r.spaces import Box
from distrib_l2r.tensor import Array

LARGEST_DEVIATION = 10.0
"""Standard deviations from the mean at which a normalised feature is cut off."""


class Features(nn.Module):
    """Flattens columns of any dtype into float32 rows, normalised by statistics that are its buffers.

    Args:
        boxes: the columns, in the order of their features.
        normalise: whether features are deviations from their mean, in standard deviations.
    """

    def __init__(self, boxes: Mapping[str, Box], *, normalise: bool) -> None:
        super().__init__()
        self.names = tuple(boxes)
        self.size = sum(int(np.prod(box.shape)) for box in boxes.values())
        self.normalise = normalise and self.size > 0
        if self.normalise:
            self.mean: Tensor
            self.inverse_deviation: Tensor
            self.register_buffer("mean", torch.zeros(self.size))
            self.register_buffer("inverse_deviation", torch.ones(self.size))

    def forward(self, columns: Mapping[str, Tensor]) -> Tensor:
        """Float32 [batch, size] of columns [batch, ...]; others are left out."""
        if not self.names:
            other = next(iter(columns.values()))
            return torch.empty(len(other), 0, device=other.device)
        flat = [_rows(columns[name]).float() for name in self.names]
        rows = flat[0] if len(flat) == 1 else torch.cat(flat, 1)
        if not self.normalise:
            return rows
        deviations = (rows - self.mean) * self.inverse_deviation
        return deviations.clamp(-LARGEST_DEVIATION, LARGEST_DEVIATION)

    def take_statistics(self, statistics: "RunningStatistics") -> None:
        """Normalises by these statistics from now on; nothing where it does not normalise."""
        if self.normalise:
            self.mean.copy_(torch.from_numpy(statistics.mean))
            self.inverse_deviation.copy_(torch.from_numpy(1 / statistics.deviation))


def _rows(column: Tensor) -> Tensor:
    """[batch, numbers] of [batch, ...]; where that is so already, the exported graph is spared a node."""
    if column.dim() == 2:
        return column
    return column.reshape(-1, math.prod(column.shape[1:]))


class RunningStatistics:
    """Mean and variance of each feature over replay, from samples of it.

    The k-th sample weighs 1 / k, but never less than `least_weight`: the first ones settle the statistics, later
    ones let them follow replay slowly enough that the networks keep up.

    Args:
        size: number of features.
        least_weight: of a sample, in (0, 1].
    """

    def __init__(self, size: int, least_weight: float = 0.02) -> None:
        self.mean = np.zeros(size)
        self.variance = np.ones(size)
        self.samples = 0
        self.least_weight = least_weight

    @property
    def deviation(self) -> Array:
        """Standard deviations, float64 [size]; 1 where a feature has been constant."""
        deviation = np.sqrt(self.variance)
        # Float32 columns keep 24 bits: less spread than that beside the mean is rounding, not information.
        constant = deviation <= 1e-6 * np.maximum(np.abs(self.mean), 1.0)
        return np.where(constant, 1.0, deviation)

    def add(self, rows: Array) -> None:
        """Takes in a sample, float [N, size] with N at least 1."""
        self.samples += 1
        weight = max(1 / self.samples, self.least_weight)
        mean = rows.mean(0, dtype=np.float64)
        variance = rows.var(0, dtype=np.float64)
        step = mean - self.mean
        # The variance of the mixture: that within both, and that between their means.
        self.variance += weight * (variance - self.variance + (1 - weight) * step**2)
        self.mean += weight * step

    def state_dict(self) -> dict[str, Any]:
        """All of it, as copies."""
        # Tensors, because checkpoints are read without unpickling arbitrary objects.
        mean, variance = torch.tensor(self.mean), torch.tensor(self.variance)
        return {"mean": mean, "variance": variance, "samples": self.samples}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes up a state."""
        self.mean[:] = state["mean"]
        self.variance[:] = state["variance"]
        self.samples = state["samples"]


def flatten_columns(columns: Mapping[str, Array], names: tuple[str, ...]) -> Array:
    """float32 [N, size] of columns [N, ...], in the order of `names`: what `Features` normalises."""
    return np.concatenate([columns[name].reshape(len(columns[name]), -1).astype(np.float32) for name in names], 1)
