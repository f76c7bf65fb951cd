"""Gradient descent on all weights of a network at once."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

_MEAN_DECAY, _SQUARE_DECAY, _EPSILON = 0.9, 0.999, 1e-8
"""Adam's, as its paper has them (https://arxiv.org/abs/1412.6980)."""


class Optimiser:
    """Adam with a clipped gradient, on weights that it moves into one vector.

    A step on one long vector costs one pass; on a dozen short ones calls cost more than the arithmetic. The weights
    remain the network's: they become views of `vector`, so the network must already be on its device.

    Attributes:
        vector: all weights.
        gradients: one view of the gradient for each weight, in their order and shapes; filled before `step`.
        steps: float32 [], so far.
        learning_rate: Adam's step size, before any decay.

    Args:
        weights: of a network.
        learning_rate: Adam's step size.
        clip: largest Euclidean norm of the gradient.
        decay_steps: steps after which the step size begins to fall with the square root of the steps; 0: never. Large
            steps find the way, small ones average out the noise at its end, and no end needs to be known.
    """

    def __init__(
        self,
        weights: Iterable[nn.Parameter],
        *,
        learning_rate: float,
        clip: float = float("inf"),
        decay_steps: float = 0.0,
    ) -> None:
        weights = tuple(weights)
        self._clip = clip
        self.learning_rate = learning_rate
        self._decay_steps = decay_steps
        self.vector = as_vector(weights)
        self._values = self.vector.detach()
        self._gradient = torch.zeros_like(self._values)
        parts = torch.split(self._gradient, [weight.numel() for weight in weights])
        self.gradients = [part.view_as(weight) for part, weight in zip(parts, weights, strict=True)]
        self._mean, self._square = torch.zeros_like(self._values), torch.zeros_like(self._values)
        self.steps = torch.zeros((), device=self.vector.device)

    @torch.no_grad()
    def step(self) -> Tensor:
        """One step down the gradient.

        Returns:
            The gradient's norm before clipping, float32 [].
        """
        norm: Tensor = torch.linalg.vector_norm(self._gradient)
        self.steps.add_(1)
        # What `torch.optim.Adam(fused=True)` calls: around it that does as much again as a small network's step takes.
        torch._fused_adam_(
            [self._values],
            [self._gradient],
            [self._mean],
            [self._square],
            [],
            [self.steps],
            lr=self._rate(),
            beta1=_MEAN_DECAY,
            beta2=_SQUARE_DECAY,
            weight_decay=0.0,
            eps=_EPSILON,
            amsgrad=False,
            maximize=False,
            # Divides the gradient: a factor rather than a condition, which would wait for the device.
            grad_scale=((norm + 1e-6) / self._clip).clamp_(min=1.0) if math.isfinite(self._clip) else None,
        )
        return norm

    def state_dict(self) -> dict[str, Any]:
        """Adam's averages and the steps so far, which are no copies; the weights are the network's to save."""
        return {"mean": self._mean, "square": self._square, "steps": self.steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes up a copy of a state."""
        for name, tensor in self.state_dict().items():
            tensor.copy_(state[name])

    def _rate(self) -> float | Tensor:
        """The step size, from the steps on their device where it falls."""
        if not self._decay_steps:
            return self.learning_rate
        return (self._decay_steps / self.steps).clamp_(max=1.0).sqrt_().mul_(self.learning_rate)


def as_vector(weights: Iterable[nn.Parameter]) -> nn.Parameter:
    """Moves weights into one vector, of which they become views."""
    weights = tuple(weights)
    vector = nn.Parameter(torch.cat([weight.detach().reshape(-1) for weight in weights]))
    parts = torch.split(vector.detach(), [weight.numel() for weight in weights])
    for weight, part in zip(weights, parts, strict=True):
        weight.data = part.view_as(weight)
    return vector
