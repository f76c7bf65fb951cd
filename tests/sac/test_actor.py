import numpy as np
import pytest
import torch

from distrib_l2r.spaces import Box, Spaces
from learner_service.sac.actor import Actor
from tests.sac.builders import box, camera_spaces, plain_spaces, random_batch, small_config


def random_actor(spaces: Spaces, **settings: object) -> Actor:
    torch.manual_seed(0)
    actor = Actor(spaces, small_config(**settings))
    for weight in actor.parameters():
        weight.data.normal_()
    return actor


def tensors(columns: object) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(column) for name, column in dict(columns).items()}  # type: ignore[call-overload]


def test_deviation_depends_on_the_state() -> None:
    actor = random_actor(plain_spaces())
    _, log_deviation = actor.distribution.parameters(actor.network(torch.randn(500, 3)))
    assert log_deviation.std(0).min() > 0.1


def test_actions_lie_within_the_bounds_in_the_spaces_dtype() -> None:
    for dtype in ("float16", "float32", "float64"):
        action = Box(low=np.array([-0.1, 0.3, 1e-3], dtype), high=np.array([0.7, 0.9, 5.0], dtype))
        spaces = Spaces(observation={"observation": box(3)}, action=action)
        actor = random_actor(spaces)
        actions = actor({"observation": 100 * torch.randn(1000, 3)}, 10 * torch.randn(1000, 3)).detach().numpy()
        assert actions.dtype == action.dtype
        assert (actions >= action.low).all()
        assert (actions <= action.high).all()
        extremes = actor.scale(torch.tensor([[-1.0] * 3, [1.0] * 3])).numpy()
        np.testing.assert_allclose(extremes, np.stack([action.low, action.high]), rtol=1e-3)


def test_acting_is_the_scaled_sample() -> None:
    spaces = camera_spaces()
    actor = random_actor(spaces)
    batch = random_batch(spaces, 6)
    noise = torch.randn(6, 2)
    unit, _ = actor.distribution.sample(actor.network(actor.features(tensors(batch.observation))), noise)
    action = actor(tensors(batch.observation), noise)
    torch.testing.assert_close(action, actor.scale(unit))
    torch.testing.assert_close(actor.shrink(action), unit, rtol=0, atol=1e-6)
    np.testing.assert_allclose(action.detach(), [-0.1, 0] + (unit.detach().double().numpy() + 1) / 2 * [0.4, 2.0])


@pytest.mark.parametrize("stretch", [1.0, 1.25])
def test_without_noise_the_action_is_the_squashed_mean_stretched_and_cut_off(stretch: float) -> None:
    actor = random_actor(plain_spaces(), action_stretch=stretch)
    observation = torch.randn(200, 3)
    mean, _ = actor.distribution.parameters(actor.network(actor.features({"observation": observation})))
    action = actor({"observation": observation}, torch.zeros(200, 2))
    torch.testing.assert_close(action, (stretch * torch.tanh(mean)).clamp(-1, 1))
    assert ((action == 1).any() and (action == -1).any()) or stretch == 1.0


def test_actions_take_the_shape_of_their_space() -> None:
    spaces = Spaces(observation={"observation": box(3)}, action=box(2, 3, low=-1, high=1))
    actor = random_actor(spaces)
    action = actor({"observation": torch.randn(5, 3)}, torch.zeros(5, 6))
    assert action.shape == (5, 2, 3)
    assert actor.shrink(action).shape == (5, 6)


def test_a_fresh_actor_explores() -> None:
    actor = Actor(plain_spaces(), small_config())
    _, log_deviation = actor.distribution.parameters(actor.network(torch.randn(100, 3)))
    assert log_deviation.detach().exp().mean() > 0.2


def test_affine_bounds_do_not_change_the_density() -> None:
    narrow = Spaces(observation={"observation": box(3)}, action=box(2, low=-0.001, high=0.001))
    actor, scaled = random_actor(plain_spaces()), random_actor(narrow)
    features, noise = torch.randn(5, 3), torch.randn(5, 2)
    torch.testing.assert_close(
        actor.distribution.sample(actor.network(features), noise),
        scaled.distribution.sample(scaled.network(features), noise),
    )
