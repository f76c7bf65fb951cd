"""Gradients by hand against autograd's."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from learner_service.sac.gradients import Pass
from learner_service.sac.mlp import MLP

SIZES = (7, 16, 12, 5)


def network(stack: int | None, layer_norm: bool, activation: Callable[[Tensor], Tensor]) -> MLP:
    torch.manual_seed(0)
    return MLP(SIZES, stack=stack, layer_norm=layer_norm, activation=activation).double()


@pytest.mark.parametrize("activation", [functional.silu, functional.relu])
@pytest.mark.parametrize("layer_norm", [True, False])
@pytest.mark.parametrize("stack", [None, 1, 2])
def test_gradients_are_those_of_autograd(
    stack: int | None, layer_norm: bool, activation: Callable[[Tensor], Tensor]
) -> None:
    mlp = network(stack, layer_norm, activation)
    rows = torch.randn(9, SIZES[0], dtype=torch.float64, requires_grad=True)
    outputs = mlp(rows)
    by_outputs = torch.randn_like(outputs)
    weights = list(mlp.parameters())
    *expected, by_rows = torch.autograd.grad(outputs, [*weights, rows], by_outputs)

    tested = Pass(mlp)
    torch.testing.assert_close(tested.forward(rows.detach()), outputs)
    into = [torch.full_like(weight, torch.nan) for weight in weights]
    tested.backward(by_outputs, into)
    for gradient, wanted in zip(into, expected, strict=True):
        torch.testing.assert_close(gradient, wanted)
    torch.testing.assert_close(tested.input_gradient(by_outputs, 3), by_rows[:, -3:])


@pytest.mark.parametrize("stack", [None, 2])
def test_gradients_of_the_last_rows_alone(stack: int | None) -> None:
    mlp = network(stack, True, functional.silu)
    rows = torch.randn(9, SIZES[0], dtype=torch.float64)
    tested, alone = Pass(mlp), Pass(mlp)
    tested.forward(rows)
    by_outputs = torch.randn_like(alone.forward(rows[-4:]))
    into, expected = ([torch.full_like(weight, torch.nan) for weight in mlp.parameters()] for _ in range(2))
    tested.backward(by_outputs, into)
    alone.backward(by_outputs, expected)
    for gradient, wanted in zip(into, expected, strict=True):
        torch.testing.assert_close(gradient, wanted)


def test_weights_are_used_as_they_are_at_each_call() -> None:
    mlp = network(2, True, functional.silu)
    tested, rows = Pass(mlp), torch.randn(4, SIZES[0], dtype=torch.float64)
    with torch.no_grad():
        for weight in mlp.parameters():
            weight.add_(1.0)
    torch.testing.assert_close(tested.forward(rows), mlp(rows))


def test_an_activation_without_a_gradient_is_refused() -> None:
    with pytest.raises(ValueError, match="gradients are written for silu and relu"):
        Pass(network(None, True, torch.tanh))
