"""The likelihood of cut off actions against the normal distribution's own functions and autograd."""

import math

import pytest
import torch
from scipy import stats

from learner_service.mirrored.cut_off_gaussian import CutOffGaussian

STRETCH, DEVIATION = 1.15, 0.3


def drawn(count: int = 500) -> tuple[torch.Tensor, torch.Tensor]:
    """Means before squashing, many beyond the bound, and what was drawn around them."""
    random = torch.Generator().manual_seed(3)
    mean = 2.5 * (2 * torch.rand(count, 2, generator=random) - 1)
    return mean, mean + DEVIATION * torch.randn(count, 2, generator=random)


def test_actions_that_are_not_cut_off_give_back_what_was_drawn() -> None:
    likelihood = CutOffGaussian(STRETCH)
    _, before = drawn()
    action = (STRETCH * torch.tanh(before)).clamp(-1, 1)
    inside = action.abs() < 1
    assert 0.3 < inside.float().mean() < 0.9
    torch.testing.assert_close(likelihood.before_squashing(action)[inside], before[inside], atol=1e-5, rtol=1e-5)
    assert torch.equal(likelihood.cut_off(likelihood.before_squashing(action)), torch.where(inside, 0.0, before.sign()))


def test_rounding_on_the_way_does_not_bring_a_cut_off_action_back_inside() -> None:
    likelihood = CutOffGaussian(STRETCH)
    almost = torch.tensor([[1 - 2e-7, -1 + 2e-7]])
    assert likelihood.cut_off(likelihood.before_squashing(almost)).tolist() == [[1, -1]]


def test_likelihood_is_the_density_inside_and_the_rest_of_it_beyond() -> None:
    likelihood = CutOffGaussian(STRETCH)
    mean, before = drawn()
    clipped = before.clamp(-likelihood.bound, likelihood.bound)
    found, _ = likelihood.log_likelihood(clipped, mean, DEVIATION)
    constant = math.log(DEVIATION * math.sqrt(2 * math.pi))
    expected = torch.zeros(500)
    for action in range(2):
        for row in range(500):
            value = float(before[row, action])
            one = stats.norm(float(mean[row, action]), DEVIATION)
            if value >= likelihood.bound:
                expected[row] += one.logsf(likelihood.bound)
            elif value <= -likelihood.bound:
                expected[row] += one.logcdf(-likelihood.bound)
            else:
                expected[row] += one.logpdf(value) + constant
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_gradient_is_that_of_autograd() -> None:
    likelihood = CutOffGaussian(STRETCH)
    mean, before = drawn()
    clipped = before.clamp(-likelihood.bound, likelihood.bound)
    _, by_mean = likelihood.log_likelihood(clipped, mean, DEVIATION)
    mean.requires_grad_()
    density = -0.5 * ((clipped - mean) / DEVIATION) ** 2
    above = torch.special.log_ndtr((mean - likelihood.bound) / DEVIATION)
    below = torch.special.log_ndtr((-likelihood.bound - mean) / DEVIATION)
    side = likelihood.cut_off(clipped)
    total = torch.where(side > 0, above, torch.where(side < 0, below, density)).sum()
    (gradient,) = torch.autograd.grad(total, mean)
    torch.testing.assert_close(by_mean, gradient, atol=1e-4, rtol=1e-4)


def test_means_far_away_are_pulled_back_by_their_distance_and_those_beyond_the_bound_not_at_all() -> None:
    likelihood = CutOffGaussian(STRETCH)
    bound = torch.full((3, 1), likelihood.bound)
    log_likelihood, by_mean = likelihood.log_likelihood(bound, torch.tensor([[-4.0], [-400.0], [400.0]]), 0.01)
    assert torch.isfinite(log_likelihood).all()
    expected = [(likelihood.bound + 4) / 0.01**2, (likelihood.bound + 400) / 0.01**2, 0]
    assert by_mean.flatten().tolist() == pytest.approx(expected, rel=1e-3)
