"""Fully connected layers, one network or several side by side."""

import itertools
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class Linear(nn.Module):
    """`inputs @ weight + bias`, for one network or a stack of them.

    The weight is [inputs, outputs], not its transpose: on a CPU one action is a row times a matrix, which is fastest
    along rows of memory, and a graph whose weights are inputs cannot transpose them beforehand.

    Args:
        inputs: size of a row.
        outputs: size of a row of the result.
        stack: number of networks, computed as one batched product; None: one, without a dimension for it.
    """

    def __init__(self, inputs: int, outputs: int, stack: int | None = None) -> None:
        super().__init__()
        leading = () if stack is None else (stack,)
        bound = 1 / math.sqrt(inputs)
        self.weight = nn.Parameter(torch.empty(*leading, inputs, outputs).uniform_(-bound, bound))
        # A stack's bias is kept as [stack, 1, outputs], which broadcasts over rows.
        self.bias = nn.Parameter(torch.zeros(*leading, 1, outputs) if leading else torch.zeros(outputs))

    def forward(self, rows: Tensor) -> Tensor:
        """Float32 [batch, outputs] of [batch, inputs]; [stack, batch, outputs] of [stack, batch, inputs]."""
        if self.weight.dim() == 3:
            return torch.baddbmm(self.bias, rows, self.weight)
        return torch.addmm(self.bias, rows, self.weight)


class MLP(nn.Module):
    """Hidden layers, each linear, optionally normalised, then activated; a linear layer at the end.

    Layer norm has no gain or bias of its own: the neighbouring linear layers learn as much.

    Args:
        sizes: of the input, of each hidden layer and of the output.
        stack: number of networks side by side; None: one.
        layer_norm: whether hidden layers are normalised.
        activation: of the hidden layers.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        stack: int | None = None,
        layer_norm: bool = True,
        activation: Callable[[Tensor], Tensor] = functional.silu,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Linear(inputs, outputs, stack) for inputs, outputs in itertools.pairwise(sizes))
        self.stack = stack
        self.layer_norm = layer_norm
        self.activation = activation

    def forward(self, rows: Tensor) -> Tensor:
        """Float32 [batch, sizes[-1]], or [stack, batch, sizes[-1]], of float32 [batch, sizes[0]]."""
        *hidden, last = list(self.layers)
        if self.stack is not None:
            rows = rows.expand(self.stack, *rows.shape)
        for layer in hidden:
            rows = layer(rows)
            if self.layer_norm:
                rows = functional.layer_norm(rows, rows.shape[-1:])
            rows = self.activation(rows)
        output: Tensor = last(rows)
        return output
