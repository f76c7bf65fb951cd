"""Actions drawn from a squashed Gaussian, their log-probabilities, and the gradients of both by hand."""

import math

import torch
from torch import Tensor
from torch.nn import functional

LOG_DEVIATION_BOUNDS = (-5.0, 2.0)
"""Between which the logarithm of the standard deviation moves, before squashing."""

_CENTRE, _REACH = sum(LOG_DEVIATION_BOUNDS) / 2, (LOG_DEVIATION_BOUNDS[1] - LOG_DEVIATION_BOUNDS[0]) / 2


def raw_deviation(deviation: float) -> float:
    """The network's output that means this standard deviation before squashing; it lies between the bounds."""
    return math.atanh((math.log(deviation) - _CENTRE) / _REACH)


class SquashedGaussian:
    """A Gaussian squashed by tanh, then stretched and cut off to [-1, 1].

    Args:
        stretch: factor after squashing, at least 1.
    """

    def __init__(self, stretch: float) -> None:
        self.stretch = stretch

    def parameters(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the deviation before squashing, each [batch, actions], of outputs [batch, 2 actions].

        Autograd may follow.
        """
        mean, raw = outputs.chunk(2, -1)
        # A tanh rather than a clamp, whose gradient is zero at the bounds.
        return mean, _CENTRE + _REACH * torch.tanh(raw)

    def act(self, outputs: Tensor, noise: Tensor) -> Tensor:
        """Actions in [-1, 1], [batch, actions]; autograd may follow.

        Args:
            outputs: of a network, [batch, 2 * actions].
            noise: standard normal, [batch, actions].
        """
        mean, log_deviation = self.parameters(outputs)
        return self._stretched(torch.tanh(mean + log_deviation.exp() * noise))

    @torch.no_grad()
    def sample(self, outputs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """What `act` returns, and log-probabilities [batch]; `gradient` goes back from there.

        The density is that of squashed actions before they are stretched, in [-1, 1] whatever the space's bounds:
        entropies do not depend on units.
        """
        mean, raw = outputs.chunk(2, -1)
        bounded = torch.tanh(raw)
        log_deviation = bounded * _REACH + _CENTRE
        deviation = log_deviation.exp().mul_(noise)
        before = mean + deviation
        squashed = torch.tanh(before)
        self._bounded, self._deviation, self._squashed = bounded, deviation, squashed
        # The normal density's, less log(1 - tanh(x)^2) = 2 (log 2 - x + 2 softplus'(x)), which has no cancellation;
        # softplus' is log(1 + exp(-2 x)) / -2.
        log_probability = torch.sub(before, functional.softplus(before, beta=-2), alpha=2).mul_(2)
        log_probability.sub_(log_deviation).addcmul_(noise, noise, value=-0.5)
        constant = 0.5 * math.log(2 * math.pi) + 2 * math.log(2)
        return self._stretched(squashed), log_probability.sum(-1).sub_(constant * noise.shape[-1])

    @torch.no_grad()
    def gradient(self, by_action: Tensor, by_log_probability: Tensor) -> Tensor:
        """Of a loss by the newest outputs, [batch, 2 * actions].

        Args:
            by_action: its gradient by actions, [batch, actions]; of fewer rows: by the last ones alone.
            by_log_probability: by each log-probability, [].
        """
        rows = slice(-len(by_action), None)
        squashed, bounded, deviation = self._squashed[rows], self._bounded[rows], self._deviation[rows]
        slope = (1 - squashed * squashed).mul_(self.stretch)
        if self.stretch > 1:
            # No gradient where the action was cut off.
            slope.mul_(squashed.abs() * self.stretch <= 1)
        by_mean = slope.mul_(by_action).add_(squashed * (2 * by_log_probability))
        by_log_deviation = (by_mean * deviation).sub_(by_log_probability)
        return torch.cat([by_mean, by_log_deviation.mul_((1 - bounded * bounded).mul_(_REACH))], -1)

    def _stretched(self, squashed: Tensor) -> Tensor:
        return (self.stretch * squashed).clamp(-1.0, 1.0) if self.stretch > 1 else squashed
