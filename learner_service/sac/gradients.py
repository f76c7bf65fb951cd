"""Gradients of an MLP by hand: the chain rule through its layers, without a recorded graph.

On a CPU recording and replaying the graph of a small network costs as much as its arithmetic.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from learner_service.sac.mlp import MLP

_native = torch.ops.aten

LAYER_NORM_EPSILON = 1e-5
"""As `functional.layer_norm` has it."""

NARROW = 64
"""Columns of a product below which its transpose is computed: that takes a CPU's library down to a tenth as long."""


class Pass:
    """Passes rows forward through a network and gradients backward, without autograd.

    Args:
        network: whose weights are used as they are at each call.
    """

    def __init__(self, network: MLP) -> None:
        if network.activation not in (functional.silu, functional.relu):
            raise ValueError(f"activation is {network.activation}; gradients are written for silu and relu")
        self._network = network
        weights = [weight.detach() for weight in network.parameters()]
        self._layers = [_Layer(weight, bias) for weight, bias in zip(weights[::2], weights[1::2], strict=True)]
        # Of each layer its input; of each hidden one also what its activation saw (of relu: made), and before
        # normalisation.
        self._inputs: list[Tensor] = []
        self._activated: list[Tensor] = []
        self._normalised: list[tuple[Tensor, Tensor, Tensor]] = []

    @torch.no_grad()
    def forward(self, rows: Tensor) -> Tensor:
        """What the network makes of rows, and remembers for `backward`; see `MLP.forward`."""
        network = self._network
        self._inputs, self._activated, self._normalised = [], [], []
        if network.stack is not None:
            rows = rows.expand(network.stack, *rows.shape)
        *hidden, last = self._layers
        for layer in hidden:
            self._inputs.append(rows)
            rows = layer.forward(rows)
            if network.layer_norm:
                before = rows
                rows, mean, inverse_deviation = _native.native_layer_norm(
                    before, rows.shape[-1:], None, None, LAYER_NORM_EPSILON
                )
                self._normalised.append((before, mean, inverse_deviation))
            # Relu's slope shows in its result too, so that it may work in place.
            activated = torch.relu_(rows) if network.activation is functional.relu else network.activation(rows)
            self._activated.append(rows)
            rows = activated
        self._inputs.append(rows)
        return last.forward(rows)

    @torch.no_grad()
    def backward(self, gradient: Tensor, into: Sequence[Tensor]) -> None:
        """Writes the gradient of every weight.

        Args:
            gradient: of a loss by the newest outputs, in their shape; of fewer rows: by the last ones alone.
            into: takes the gradient of each parameter of the network, in their order and shapes.
        """
        self._keep_last(gradient.shape[-2])
        for layer in reversed(range(len(self._layers))):
            weight, bias = into[2 * layer], into[2 * layer + 1]
            _product(self._inputs[layer].mT, gradient, out=weight)
            torch.sum(gradient, -2, keepdim=gradient.dim() == 3, out=bias)
            if layer:
                gradient = self._through(layer, gradient)

    @torch.no_grad()
    def input_gradient(self, gradient: Tensor, last: int) -> Tensor:
        """Of the last columns of the rows that came in, summed over a stack, float32 [batch, last].

        Args:
            gradient: as for `backward`.
            last: number of columns.
        """
        self._keep_last(gradient.shape[-2])
        for layer in reversed(range(1, len(self._layers))):
            gradient = self._through(layer, gradient)
        product = _product(gradient, self._layers[0].weight_transposed[..., -last:])
        return product.sum(0) if product.dim() == 3 else product

    def _keep_last(self, rows: int) -> None:
        """Forgets all but the last rows."""
        if rows == self._inputs[0].shape[-2]:
            return

        def last(remembered: Tensor) -> Tensor:
            # Layer norm's backward takes its means to be contiguous, and would read others' memory of a stack.
            return remembered[..., -rows:, :].contiguous()

        self._inputs, self._activated = list(map(last, self._inputs)), list(map(last, self._activated))
        self._normalised = [(last(before), last(mean), last(scale)) for before, mean, scale in self._normalised]

    def _through(self, layer: int, gradient: Tensor) -> Tensor:
        """The gradient by a hidden layer's affine map, from that by the next one's; layers count from 0."""
        gradient = _product(gradient, self._layers[layer].weight_transposed)
        seen = self._activated[layer - 1]
        if self._network.activation is functional.silu:
            _native.silu_backward.grad_input(gradient, seen, grad_input=gradient)
        else:
            _native.threshold_backward.grad_input(gradient, seen, 0, grad_input=gradient)
        if self._network.layer_norm:
            before, mean, inverse_deviation = self._normalised[layer - 1]
            gradient, _, _ = _native.native_layer_norm_backward(
                gradient, before, before.shape[-1:], mean, inverse_deviation, None, None, [True, False, False]
            )
        return gradient


class _Layer:
    """A linear layer, [inputs, outputs] and [outputs], or a stack, [C, inputs, outputs] and [C, 1, outputs]."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        # Views, made once: small products cost little more than making one.
        self._weight, self.weight_transposed = weight, weight.mT
        self._bias, self._bias_transposed = bias, bias.mT if bias.dim() == 3 else bias.unsqueeze(1)
        self._affine = torch.baddbmm if weight.dim() == 3 else torch.addmm
        self._narrow = weight.shape[-1] < NARROW

    def forward(self, rows: Tensor) -> Tensor:
        if self._narrow:
            return self._affine(self._bias_transposed, self.weight_transposed, rows.mT).mT.contiguous()
        return self._affine(self._bias, rows, self._weight)


def _product(left: Tensor, right: Tensor, out: Tensor | None = None) -> Tensor:
    """The product of two matrices, or of stacks of them."""
    if left.shape[-1] == 1:
        return torch.mul(left, right, out=out)
    multiply = torch.bmm if left.dim() == 3 else torch.mm
    if right.shape[-1] < NARROW:
        transposed = multiply(right.mT, left.mT).mT
        return transposed.contiguous() if out is None else out.copy_(transposed)
    return multiply(left, right, out=out)
