import numpy as np
import pytest
import torch
from torch import Tensor

from learner_service.sac.values import CategoricalValues, MeanSquaredValues, QuantileValues, make_values
from tests.sac.builders import small_config

BATCH = 16
KINDS = ["categorical", "quantile", "mean_squared"]


def random_outputs(size: int, seed: int) -> Tensor:
    return torch.randn(2, BATCH, size, generator=torch.Generator().manual_seed(seed))


def random_target_parts() -> tuple[Tensor, Tensor, Tensor]:
    random = np.random.default_rng(0)
    parts = (random.normal(size=BATCH), random.choice([0, 0.95], BATCH), random.normal(size=BATCH))
    reward, discount, entropy_bonus = (torch.from_numpy(part.astype(np.float32)) for part in parts)
    return reward, discount, entropy_bonus


def test_mean_squared_target_is_the_bootstrapped_least_value() -> None:
    outputs = random_outputs(1, 1)
    reward, discount, entropy_bonus = random_target_parts()
    target = MeanSquaredValues().target(outputs, reward, discount, entropy_bonus)
    for i in range(BATCH):
        least = min(outputs[0, i, 0], outputs[1, i, 0])
        assert target[i] == pytest.approx(float(reward[i] + discount[i] * (least + entropy_bonus[i])), abs=1e-6)


def test_quantile_target_moves_the_quantiles_of_the_lower_critic() -> None:
    outputs = random_outputs(7, 2)
    reward, discount, entropy_bonus = random_target_parts()
    target = QuantileValues(7).target(outputs, reward, discount, entropy_bonus)
    assert target.shape == (BATCH, 7)
    for i in range(BATCH):
        lower = min((outputs[critic, i].numpy() for critic in range(2)), key=np.mean)
        expected = reward[i].item() + discount[i].item() * (lower + entropy_bonus[i].item())
        np.testing.assert_allclose(target[i], expected, atol=1e-6)


def test_categorical_target_is_a_normal_distribution_over_the_bins() -> None:
    values = CategoricalValues(21, 4.0)
    outputs = random_outputs(21, 3)
    reward, discount, entropy_bonus = random_target_parts()
    target = values.target(outputs, reward, discount, entropy_bonus)
    centres, width = np.linspace(-4, 4, 21), 8 / 20
    for i in range(BATCH):
        probabilities = np.exp(outputs[:, i].numpy().astype(np.float64))
        probabilities /= probabilities.sum(1, keepdims=True)
        least = (probabilities @ centres).min()
        value = reward[i].item() + discount[i].item() * (least + entropy_bonus[i].item())
        normal = torch.distributions.Normal(value, 0.75 * width, validate_args=False)
        edges = torch.tensor(np.append(centres - width / 2, centres[-1] + width / 2))
        mass = normal.cdf(edges).diff().numpy()  # type: ignore[no-untyped-call]
        np.testing.assert_allclose(target[i], mass / mass.sum(), atol=1e-5)


@pytest.mark.parametrize("value", [-3.9, -1.23, 0.0, 0.5, 2.71])
def test_categorical_probabilities_keep_the_value(value: float) -> None:
    values = CategoricalValues(101, 5.0)
    logits = values.probabilities(torch.tensor([value])).log().clamp_min(-80)
    assert values.mean(logits.expand(2, 1, 101))[0, 0] == pytest.approx(value, abs=1e-3)


@pytest.mark.parametrize("value", [-1e9, -5.0, 5.0, 1e9])
def test_categorical_values_beyond_the_bins_count_as_the_bound(value: float) -> None:
    values = CategoricalValues(101, 5.0)
    probabilities = values.probabilities(torch.tensor([value]))
    assert probabilities.isfinite().all()
    assert probabilities.sum() == pytest.approx(1.0)
    # A blurred bound leans inwards by a part of a bin, which is 0.1 wide.
    assert (probabilities @ values.centres).item() == pytest.approx(np.clip(value, -5, 5), abs=0.06)


def test_quantile_loss_equals_the_loops_of_its_definition() -> None:
    values = QuantileValues(5)
    outputs, target = random_outputs(5, 4), random_outputs(5, 5)[0]
    expected = 0.0
    for critic in range(2):
        for i in range(BATCH):
            for j in range(5):
                for k in range(5):
                    error = (target[i, k] - outputs[critic, i, j]).item()
                    huber = 0.5 * error**2 if abs(error) <= 1 else abs(error) - 0.5
                    expected += abs((j + 0.5) / 5 - (error < 0)) * huber / 5 / BATCH
    assert values.loss(outputs, target).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_loss_is_the_mean_of_the_losses_of_single_rows(kind: str) -> None:
    # Broadcasting [B] against [B, 1] would compare every row with every other.
    values = make_values(small_config(critic=kind, bins=11, quantiles=4))
    outputs, target_outputs = random_outputs(values.outputs, 6), random_outputs(values.outputs, 7)
    target = values.target(target_outputs, *random_target_parts())
    rows = [values.loss(outputs[:, i : i + 1], target[i : i + 1]) for i in range(BATCH)]
    assert values.loss(outputs, target).item() == pytest.approx(torch.stack(rows).mean().item(), rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_loss_sums_over_critics(kind: str) -> None:
    values = make_values(small_config(critic=kind, bins=11, quantiles=4))
    outputs = random_outputs(values.outputs, 8)
    target = values.target(random_outputs(values.outputs, 9), *random_target_parts())
    apart = sum(values.loss(outputs[critic : critic + 1], target).item() for critic in range(2))
    assert values.loss(outputs, target).item() == pytest.approx(apart, rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_those_of_autograd(kind: str) -> None:
    values = make_values(small_config(critic=kind, bins=11, quantiles=4)).double()
    outputs = random_outputs(values.outputs, 8).double().requires_grad_()
    parts = [part.double() for part in random_target_parts()]
    target = values.target(random_outputs(values.outputs, 9).double(), *parts)
    (expected,) = torch.autograd.grad(values.loss(outputs, target), outputs)
    torch.testing.assert_close(values.loss_gradient(outputs.detach(), target), expected)

    by_mean = torch.randn(2, BATCH, dtype=torch.float64)
    (expected,) = torch.autograd.grad(values.mean(outputs), outputs, by_mean)
    torch.testing.assert_close(values.mean_gradient(outputs.detach()) * by_mean.unsqueeze(-1), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_terminal_rows_do_not_bootstrap(kind: str) -> None:
    values = make_values(small_config(critic=kind, bins=101, quantiles=4))
    reward, nothing = torch.full((BATCH,), 1.5), torch.zeros(BATCH)
    target = values.target(random_outputs(values.outputs, 1), reward, nothing, torch.full((BATCH,), 1e3))
    outputs = target.clamp_min(1e-30).log() if kind == "categorical" else target.reshape(BATCH, -1)
    assert values.mean(outputs.expand(2, *outputs.shape)).flatten().tolist() == pytest.approx(
        [1.5] * 2 * BATCH, abs=1e-3
    )
