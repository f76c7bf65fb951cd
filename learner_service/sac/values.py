"""How a critic's outputs stand for a value: three ways to learn one, with their gradients by hand."""

import math
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from learner_service.sac.config import SACConfig


class Values(Protocol):
    """What critics output, for a batch of B transitions and C critics."""

    outputs: int
    """Numbers that one critic outputs for one action."""

    def mean(self, outputs: Tensor) -> Tensor:
        """The expected value, float32 [C, B], of outputs [C, B, outputs]."""

    def target(self, outputs: Tensor, reward: Tensor, discount: Tensor, entropy_bonus: Tensor) -> Tensor:
        """What to learn: reward + discount * (value + entropy_bonus), the value being the least of the critics'.

        Args:
            outputs: of the target critics at the bootstrap state, [C, B, outputs].
            reward: float32 [B].
            discount: float32 [B], 0 where there is nothing after the rewards.
            entropy_bonus: float32 [B].
        """

    def mean_gradient(self, outputs: Tensor) -> Tensor:
        """Of each mean by the outputs it came from, [C, B, outputs]."""

    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Mean over the batch, sum over the critics, float32 []."""

    def loss_gradient(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Of the loss by the outputs, in their shape."""


class CategoricalValues(nn.Module):
    """Probabilities over evenly spaced bins, learned by cross-entropy to a blurred value.

    HL-Gauss: the target is a normal distribution around the value, integrated over each bin, with a deviation of 3/4
    of a bin (Farebrother et al. 2024, https://arxiv.org/abs/2403.03950, section 3.1). Values beyond the bins count as
    those at the bound.
    """

    def __init__(self, bins: int, bound: float) -> None:
        super().__init__()
        self.outputs = bins
        width = 2 * bound / (bins - 1)
        # The outermost bins reach as far beyond their centres as the others: bounds can be represented exactly.
        centres = torch.linspace(-bound, bound, bins)
        self.bound = bound
        self.centres: Tensor
        self.scaled_edges: Tensor
        self.blur = 0.75 * width * math.sqrt(2)
        self.register_buffer("centres", centres, persistent=False)
        edges = torch.cat([centres - width / 2, centres[-1:] + width / 2])
        self.register_buffer("scaled_edges", edges / self.blur, persistent=False)

    def mean(self, outputs: Tensor) -> Tensor:
        """The expected value, float32 [C, B]."""
        return outputs.softmax(-1) @ self.centres

    def mean_gradient(self, outputs: Tensor) -> Tensor:
        """[C, B, bins]."""
        probabilities = outputs.softmax(-1)
        return probabilities * (self.centres - (probabilities @ self.centres).unsqueeze(-1))

    def target(self, outputs: Tensor, reward: Tensor, discount: Tensor, entropy_bonus: Tensor) -> Tensor:
        """Probabilities, float32 [B, bins]."""
        value = reward + discount * (self.mean(outputs).amin(0) + entropy_bonus)
        return self.probabilities(value)

    def probabilities(self, value: Tensor) -> Tensor:
        """Float32 [B, bins] of values [B]."""
        value = value.clamp(-self.bound, self.bound)
        # Twice the normal distribution's integral up to each edge, less one.
        integral = torch.erf(self.scaled_edges - value.unsqueeze(1) / self.blur)
        return integral.diff(dim=1) / (integral[:, -1:] - integral[:, :1])

    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Cross-entropy."""
        return -(target * outputs.log_softmax(-1)).sum(-1).mean(-1).sum()

    def loss_gradient(self, outputs: Tensor, target: Tensor) -> Tensor:
        """[C, B, bins]."""
        return outputs.softmax(-1).sub_(target).div_(outputs.shape[1])


class QuantileValues(nn.Module):
    """Quantiles of the return, learned by the quantile Huber loss with a threshold of 1.

    Dabney et al. 2018, https://arxiv.org/abs/1710.10044, equation 10.
    """

    def __init__(self, quantiles: int) -> None:
        super().__init__()
        self.outputs = quantiles
        self.midpoints: Tensor
        self.register_buffer("midpoints", (torch.arange(quantiles) + 0.5) / quantiles, persistent=False)

    def mean(self, outputs: Tensor) -> Tensor:
        """The expected value, float32 [C, B]."""
        return outputs.mean(-1)

    def mean_gradient(self, outputs: Tensor) -> Tensor:
        """[C, B, quantiles]."""
        return torch.full_like(outputs, 1 / self.outputs)

    def target(self, outputs: Tensor, reward: Tensor, discount: Tensor, entropy_bonus: Tensor) -> Tensor:
        """Quantiles of the critic with the least mean, float32 [B, quantiles]."""
        least = self.mean(outputs).argmin(0)
        quantiles = outputs[least, torch.arange(len(least), device=least.device)]
        return reward.unsqueeze(1) + discount.unsqueeze(1) * (quantiles + entropy_bonus.unsqueeze(1))

    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Summed over the predicted quantiles, averaged over the target's."""
        error, weight = self._errors(outputs, target)
        huber = functional.huber_loss(error, torch.zeros_like(error), reduction="none")
        return (weight * huber).mean(-1).sum(-1).mean(-1).sum()

    def loss_gradient(self, outputs: Tensor, target: Tensor) -> Tensor:
        """[C, B, quantiles]."""
        error, weight = self._errors(outputs, target)
        return weight.mul_(error.clamp_(-1, 1)).sum(-1).div_(-target.numel())

    def _errors(self, outputs: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Of each predicted quantile against each of the target's, [C, B, predicted, target], and their weights."""
        error = target[None, :, None, :] - outputs.unsqueeze(-1)
        return error, (self.midpoints[:, None] - (error < 0).to(error.dtype)).abs_()


class MeanSquaredValues(nn.Module):
    """The value alone, learned by squared error."""

    outputs = 1

    def mean(self, outputs: Tensor) -> Tensor:
        """The value, float32 [C, B]."""
        return outputs.squeeze(-1)

    def mean_gradient(self, outputs: Tensor) -> Tensor:
        """[C, B, 1]."""
        return torch.ones_like(outputs)

    def target(self, outputs: Tensor, reward: Tensor, discount: Tensor, entropy_bonus: Tensor) -> Tensor:
        """Float32 [B]."""
        return reward + discount * (self.mean(outputs).amin(0) + entropy_bonus)

    def loss(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Squared error."""
        return self._errors(outputs, target).square().mean(1).sum()

    def loss_gradient(self, outputs: Tensor, target: Tensor) -> Tensor:
        """[C, B, 1]."""
        return self._errors(outputs, target).mul_(2 / len(target))

    def _errors(self, outputs: Tensor, target: Tensor) -> Tensor:
        # Without the new dimension, [C, B, 1] - [B] would broadcast to all pairs of the batch.
        return outputs - target.unsqueeze(-1)


def make_values(config: SACConfig) -> CategoricalValues | QuantileValues | MeanSquaredValues:
    """The values that the configuration asks for."""
    if config.critic == "categorical":
        return CategoricalValues(config.bins, config.value_bound)
    if config.critic == "quantile":
        return QuantileValues(config.quantiles)
    return MeanSquaredValues()
