import copy

import pytest
import torch
from torch import nn

from learner_service.sac.optimiser import Optimiser, as_vector


@pytest.mark.parametrize("clip", [0.01, 1e9])
def test_steps_equal_adam_s_with_a_clipped_gradient(clip: float) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1))
    expected = copy.deepcopy(network)
    optimiser = Optimiser(network.parameters(), learning_rate=0.01, clip=clip)
    adam = torch.optim.Adam(expected.parameters(), lr=0.01)
    for _ in range(10):
        inputs = torch.randn(8, 3)
        loss = network(inputs).square().mean()
        for into, gradient in zip(
            optimiser.gradients, torch.autograd.grad(loss, list(network.parameters())), strict=True
        ):
            into.copy_(gradient)
        norm = optimiser.step()
        adam.zero_grad()
        torch.autograd.backward(expected(inputs).square().mean())
        torch.testing.assert_close(norm, nn.utils.clip_grad_norm_(expected.parameters(), clip))
        adam.step()
    for weight, other in zip(network.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(weight, other)


def test_steps_fall_with_the_square_root_of_the_steps_after_a_while() -> None:
    weight = nn.Parameter(torch.zeros(1))
    optimiser = Optimiser([weight], learning_rate=0.1, decay_steps=4)
    moved = []
    for _ in range(16):
        before = weight.item()
        # A constant gradient: Adam's step is its learning rate.
        optimiser.gradients[0].fill_(1.0)
        optimiser.step()
        moved.append(before - weight.item())
    torch.testing.assert_close(moved[:4], [0.1] * 4, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(moved[8], 0.1 * (4 / 9) ** 0.5, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(moved[15], 0.05, rtol=1e-4, atol=1e-6)


def test_weights_become_views_of_one_vector() -> None:
    network = nn.Linear(3, 2)
    before = [weight.detach().clone() for weight in network.parameters()]
    vector = as_vector(network.parameters())
    assert vector.numel() == 8
    for weight, old in zip(network.parameters(), before, strict=True):
        assert torch.equal(weight, old)
    network.load_state_dict({"weight": torch.full((2, 3), 2.0), "bias": torch.full((2,), 3.0)})
    assert vector.tolist() == [2.0] * 6 + [3.0] * 2
