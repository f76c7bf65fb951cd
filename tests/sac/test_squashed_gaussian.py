import pytest
import torch
from torch import Tensor
from torch.distributions import Independent, Normal, TanhTransform, TransformedDistribution

from learner_service.sac.squashed_gaussian import LOG_DEVIATION_BOUNDS, SquashedGaussian

BATCH, ACTIONS = 50, 3


def outputs_and_noise(scale: float = 1.0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    outputs = scale * torch.randn(BATCH, 2 * ACTIONS, dtype=torch.float64, generator=generator)
    return outputs, torch.randn(BATCH, ACTIONS, dtype=torch.float64, generator=generator)


def by_autograd(gaussian: SquashedGaussian, outputs: Tensor, noise: Tensor) -> Tensor:
    """Log-probabilities of squashed actions, of the normal density and the determinant of the squashing."""
    mean, log_deviation = gaussian.parameters(outputs)
    before = mean + log_deviation.exp() * noise
    normal = Normal(mean, log_deviation.exp())
    log_probability: Tensor = normal.log_prob(before) - torch.log1p(-(torch.tanh(before) ** 2))  # type: ignore[no-untyped-call]
    return log_probability.sum(1)


def test_log_probability_is_that_of_a_squashed_gaussian() -> None:
    gaussian = SquashedGaussian(1.0)
    outputs, noise = outputs_and_noise()
    action, log_probability = gaussian.sample(outputs, noise)
    mean, log_deviation = gaussian.parameters(outputs)
    squashed = TransformedDistribution(Normal(mean, log_deviation.exp()), [TanhTransform(cache_size=1)])
    expected = Independent(squashed, 1).log_prob(action)  # type: ignore[no-untyped-call]
    inside = action.abs().amax(1) < 1 - 1e-9
    assert inside.sum() > 20
    assert log_probability.shape == (BATCH,)
    torch.testing.assert_close(log_probability[inside], expected[inside], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("stretch", [1.0, 1.25])
def test_sampled_actions_are_those_that_it_acts(stretch: float) -> None:
    gaussian = SquashedGaussian(stretch)
    outputs, noise = outputs_and_noise()
    torch.testing.assert_close(gaussian.sample(outputs, noise)[0], gaussian.act(outputs, noise))


@pytest.mark.parametrize("stretch", [1.0, 1.25])
def test_gradients_are_those_of_autograd(stretch: float) -> None:
    gaussian = SquashedGaussian(stretch)
    outputs, noise = outputs_and_noise()
    outputs.requires_grad_()
    by_action = torch.randn_like(noise)
    by_log_probability = torch.tensor(0.3, dtype=torch.float64)
    action = gaussian.act(outputs, noise)
    assert stretch == 1.0 or (action.abs() == 1).any()
    loss = (by_action * action).sum() + by_log_probability * by_autograd(gaussian, outputs, noise).sum()
    (expected,) = torch.autograd.grad(loss, outputs)
    gaussian.sample(outputs.detach(), noise)
    torch.testing.assert_close(gaussian.gradient(by_action, by_log_probability), expected)
    # Of the last rows alone.
    torch.testing.assert_close(gaussian.gradient(by_action[-7:], by_log_probability), expected[-7:])


def test_log_probability_and_gradient_stay_finite_where_tanh_saturates() -> None:
    outputs, noise = outputs_and_noise(scale=100)
    gaussian = SquashedGaussian(1.0)
    action, log_probability = gaussian.sample(outputs.float(), noise.float())
    assert (action.abs() == 1).any()
    assert log_probability.isfinite().all()
    assert gaussian.gradient(torch.ones_like(action), torch.tensor(1.0)).isfinite().all()


def test_deviation_stays_between_its_bounds() -> None:
    _, log_deviation = SquashedGaussian(1.0).parameters(outputs_and_noise(scale=5)[0])
    low, high = LOG_DEVIATION_BOUNDS
    assert low <= log_deviation.min() < low + 0.1
    assert high - 0.1 < log_deviation.max() <= high
