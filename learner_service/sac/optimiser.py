"""Gradient descent on all weights of a network at once."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from learner_service.checkpoint.state_copy import copy_state


class Optimiser:
    """Adam with a clipped gradient, on weights that it moves into one vector.

    A step on one long vector costs one pass; on a dozen short ones calls cost more than the arithmetic. The weights
    remain the network's: they become views of `vector`, so the network must already be on its device.

    Attributes:
        vector: all weights.
        gradients: one view of the gradient for each weight, in their order and shapes; filled before `step`.

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
        self._learning_rate = learning_rate
        self._decay_steps = decay_steps
        self._steps = 0
        self.vector = as_vector(weights)
        self._gradient = torch.zeros_like(self.vector.detach())
        parts = torch.split(self._gradient, [weight.numel() for weight in weights])
        self.gradients = [part.view_as(weight) for part, weight in zip(parts, weights, strict=True)]
        self.vector.grad = self._gradient
        self._adam = torch.optim.Adam([self.vector], lr=learning_rate, fused=True)

    def step(self) -> Tensor:
        """One step down the gradient.

        Returns:
            The gradient's norm before clipping, float32 [].
        """
        norm: Tensor = torch.linalg.vector_norm(self._gradient)
        # A factor rather than a condition, which would wait for the device.
        self._gradient.mul_((self._clip / (norm + 1e-6)).clamp(max=1.0))
        self._steps += 1
        if self._decay_steps:
            share = min(1.0, self._decay_steps / self._steps) ** 0.5
            self._adam.param_groups[0]["lr"] = self._learning_rate * share
        self._adam.step()
        return norm

    def state_dict(self) -> dict[str, Any]:
        """Adam's averages, which are no copies, and the steps so far; the weights are the network's to save."""
        return {"adam": self._adam.state_dict(), "steps": self._steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes up a copy of a state."""
        # Adam would go on in the state's own tensors.
        self._adam.load_state_dict(copy_state(state["adam"]))
        self._steps = state["steps"]


def as_vector(weights: Iterable[nn.Parameter]) -> nn.Parameter:
    """Moves weights into one vector, of which they become views."""
    weights = tuple(weights)
    vector = nn.Parameter(torch.cat([weight.detach().reshape(-1) for weight in weights]))
    parts = torch.split(vector.detach(), [weight.numel() for weight in weights])
    for weight, part in zip(weights, parts, strict=True):
        weight.data = part.view_as(weight)
    return vector
