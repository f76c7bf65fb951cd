"""The likelihood of actions that were squashed, stretched and cut off, and its gradient by hand."""

import math

import torch
from torch import Tensor

_ALMOST_ONE = 1 - 1e-6
"""Float32 actions this close to a bound count as cut off: rounding on the way to the simulator and back moves them."""

_FAR = 20.0
"""Deviations beyond which the normal density over its integral is the distance, to a part in 400."""


class CutOffGaussian:
    """A Gaussian of given deviation, squashed by tanh, stretched, and cut off to [-1, 1].

    Where an action was cut off, its likelihood is that of all that is cut off to it, so that a policy far beyond the
    bound feels no pull from noise that changed nothing (Fujita and Maeda 2018, https://arxiv.org/abs/1802.07564).

    Args:
        stretch: factor after squashing, at least 1.
    """

    def __init__(self, stretch: float) -> None:
        self._stretch = stretch
        self.bound = math.atanh(min(1 / stretch, _ALMOST_ONE))
        """From which on, before squashing, actions are cut off."""

    def before_squashing(self, unit_action: Tensor) -> Tensor:
        """Of actions in [-1, 1], any shape; `bound` and beyond where they were cut off."""
        return torch.atanh((unit_action / self._stretch).clamp(-_ALMOST_ONE, _ALMOST_ONE))

    def cut_off(self, before: Tensor) -> Tensor:
        """Whether these were cut off, -1, 0 or 1, of the shape of `before`."""
        edge = self.bound * _ALMOST_ONE
        return (before >= edge).float() - (before <= -edge).float()

    @torch.no_grad()
    def log_likelihood(self, before: Tensor, mean: Tensor, deviation: float) -> tuple[Tensor, Tensor]:
        """The logarithm of the likelihood up to a constant, [batch], and its gradient by the mean, [batch, actions].

        Args:
            before: the actions before squashing, float32 [batch, actions].
            mean: of the Gaussian, likewise.
            deviation: of the Gaussian.
        """
        side = self.cut_off(before)
        deviations = (before - mean) / deviation
        # Of the mean beyond the bound, in deviations.
        beyond = (side * mean - self.bound) / deviation
        tail = torch.special.log_ndtr(beyond)
        # The normal density over its integral, by their logarithms; far out these lose their digits, and it is -beyond.
        near = beyond.clamp(min=-_FAR)
        slope = torch.exp(-0.5 * near * near - torch.special.log_ndtr(near) - 0.5 * math.log(2 * math.pi))
        slope = torch.where(beyond < -_FAR, -beyond, slope)
        inside = side == 0
        log_likelihood = torch.where(inside, -0.5 * deviations * deviations, tail)
        by_mean = torch.where(inside, deviations, side * slope) / deviation
        return log_likelihood.sum(-1), by_mean
