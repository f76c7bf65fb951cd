"""Mirrored pairs: the gradient, what it leaves alone, and a task whose best policy is known."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from distrib_l2r.tensor import Array
from learner_service.mirrored.config import MirroredConfig
from learner_service.mirrored.episode_pairs import Pair
from learner_service.mirrored.policy_gradient import ACTOR_DEVIATION, MirroredPolicyGradient
from learner_service.sac.actor import Actor
from tests.sac.builders import plain_spaces, small_config

SMALL = MirroredConfig(
    mirrored_batch_size=64,
    mirrored_passes=1,
    mirrored_tail_steps=0,
    mirrored_deviation=0.1,
    mirrored_discount=0.9,
    mirrored_clip=0.2,
    mirrored_divergence=0.05,
)


def make_actor(seed: int = 0, observation: int = 3, action: int = 2) -> Actor:
    torch.manual_seed(seed)
    return Actor(plain_spaces(observation, action), small_config())


def act(actor: Actor, observation: Array, noise: Array, deviation: float = 0.1) -> Array:
    """As workers do, who are told a factor that makes the actor's deviation this one."""
    with torch.no_grad():
        mean = actor.network(actor.rows({"observation": torch.from_numpy(observation)}))[:, : actor.action_size]
        action = actor.distribution.stretch * torch.tanh(mean + deviation * torch.from_numpy(noise))
    return np.asarray(action.clamp(-1, 1))


def make_pair(actor: Actor, seed: int = 0, steps: int = 40) -> Pair:
    """Random states and rewards, and the actor's own actions there."""
    random = np.random.default_rng(seed)
    observation = random.standard_normal((2, steps, 3)).astype(np.float32)
    noise = random.standard_normal((steps, 2)).astype(np.float32)
    return Pair(
        observation={"observation": observation},
        action=np.stack([act(actor, observation[0], noise), act(actor, observation[1], -noise)]),
        reward=random.standard_normal((2, steps)).astype(np.float32),
        terminated=False,
    )


def still(count: int) -> Array:
    return np.zeros((count, 2), np.float32)


def test_the_actor_explores_with_one_deviation_whatever_it_sees() -> None:
    actor = make_actor()
    gradient = MirroredPolicyGradient(actor, SMALL, seed=0)
    rows = {"observation": torch.randn(50, 3)}
    _, log_deviation = actor.distribution.parameters(actor.network(actor.rows(rows)))
    torch.testing.assert_close(log_deviation.exp(), torch.full_like(log_deviation, ACTOR_DEVIATION))
    assert gradient.sampling.mirrored_noise * ACTOR_DEVIATION == pytest.approx(0.1)


def test_what_the_actor_does_without_noise_stays_when_it_begins() -> None:
    actor = make_actor()
    observation = np.random.default_rng(0).standard_normal((50, 3)).astype(np.float32)
    before = act(actor, observation, still(50))
    MirroredPolicyGradient(actor, SMALL, seed=0)
    assert (act(actor, observation, still(50)) == before).all()


def test_gradient_is_that_of_the_clipped_surrogate() -> None:
    actor = make_actor()
    gradient = MirroredPolicyGradient(actor, replace(SMALL, mirrored_gradient_clip=1e9), seed=0)
    pair = make_pair(actor)
    rows = gradient._rows([pair], [40])
    before = gradient._likelihood.before_squashing(torch.from_numpy(pair.action.reshape(80, 2)))
    weight = torch.linspace(-2, 2, 80)
    # The policy has moved since then.
    then_mean = gradient._mean(rows) + 0.05 * torch.randn(80, 2)
    then, _ = gradient._likelihood.log_likelihood(before, then_mean, 0.1)
    weights = {name: tensor.detach().clone().requires_grad_() for name, tensor in actor.network.named_parameters()}
    mean = torch.func.functional_call(actor.network, weights, (rows,))[:, :2]
    side = gradient._likelihood.cut_off(before)
    above = torch.special.log_ndtr((mean - gradient._likelihood.bound) / 0.1)
    below = torch.special.log_ndtr((-gradient._likelihood.bound - mean) / 0.1)
    density = -0.5 * ((before - mean) / 0.1) ** 2
    now = torch.where(side > 0, above, torch.where(side < 0, below, density)).sum(1)
    ratio = (now - then).exp()
    assert 0.1 < ((ratio - 1).abs() > 0.2).float().mean() < 0.9
    loss = -torch.minimum(ratio * weight, ratio.clamp(0.8, 1.2) * weight).mean()
    expected = torch.autograd.grad(loss, list(weights.values()))
    gradient._update(rows, before, weight, then)
    for found, correct in zip(gradient._optimiser.gradients, expected, strict=True):
        torch.testing.assert_close(found, correct, atol=1e-5, rtol=1e-4)


def test_an_action_that_won_becomes_likelier_and_its_image_less_likely() -> None:
    actor = make_actor()
    gradient = MirroredPolicyGradient(actor, replace(SMALL, mirrored_learning_rate=1e-5), seed=0)
    observation = np.zeros((2, 1, 3), np.float32)
    noise = np.array([[1.0, -1.0]], np.float32)
    pair = Pair(
        observation={"observation": observation},
        action=np.stack([act(actor, observation[0], noise), act(actor, observation[1], -noise)]),
        reward=np.array([[1.0], [0.0]], np.float32),
        terminated=True,
    )
    before = act(actor, observation[0], still(1))
    assert gradient.update([pair]) == 1
    moved = act(actor, observation[0], still(1)) - before
    assert (np.sign(moved) == [[1, -1]]).all()


def test_actions_of_another_policy_do_not_move_the_actor() -> None:
    actor = make_actor()
    gradient = MirroredPolicyGradient(actor, SMALL, seed=0)
    pair = make_pair(actor)
    before = act(actor, pair.observation["observation"][0], still(40))
    gradient.update([replace(pair, action=np.where(pair.action > 0, -0.9, 0.9).astype(np.float32))])
    assert gradient.metrics()["strange_fraction"] == 1
    assert (act(actor, pair.observation["observation"][0], still(40)) == before).all()


def test_no_pairs_or_pairs_too_short_for_their_tail_change_nothing() -> None:
    gradient = MirroredPolicyGradient(make_actor(), replace(SMALL, mirrored_tail_steps=99), seed=0)
    assert gradient.update([make_pair(gradient.actor)]) == 0
    assert gradient.update([]) == 0


def test_the_step_size_follows_the_divergence() -> None:
    actor = make_actor()
    slow = MirroredPolicyGradient(actor, replace(SMALL, mirrored_learning_rate=1e-6), seed=0)
    for seed in range(3):
        slow.update([make_pair(actor, seed)])
    assert slow.metrics()["learning_rate"] == pytest.approx(1.1**3 * 1e-6)
    assert slow.metrics()["divergence"] < 0.025
    fast = MirroredPolicyGradient(actor, replace(SMALL, mirrored_learning_rate=1e-2), seed=0)
    for seed in range(30):
        fast.update([make_pair(actor, seed)])
    assert fast.metrics()["learning_rate"] < 8e-3


def test_an_iteration_that_went_too_far_is_taken_back() -> None:
    actor = make_actor()
    gradient = MirroredPolicyGradient(actor, replace(SMALL, mirrored_learning_rate=1.0), seed=0)
    weights = [weight.clone() for weight in actor.parameters()]
    assert gradient.update([make_pair(actor)]) == 2
    assert gradient.metrics()["divergence"] > 0.5
    assert gradient.metrics()["learning_rate"] == 0.5
    for before, now in zip(weights, actor.parameters(), strict=True):
        assert torch.equal(before, now)


def test_a_state_taken_up_goes_on_bit_for_bit() -> None:
    actor, other = make_actor(0), make_actor(1)
    config = replace(SMALL, mirrored_passes=2)
    gradient = MirroredPolicyGradient(actor, config, seed=0)
    pairs = [[make_pair(actor, 2 * seed), make_pair(actor, 2 * seed + 1)] for seed in range(8)]
    for each in pairs[:4]:
        gradient.update(each)
    other.load_state_dict(actor.state_dict())
    taken_up = MirroredPolicyGradient(other, config, seed=9)
    taken_up.load_state_dict(gradient.state_dict())
    for each in pairs[4:]:
        assert gradient.update(each) == taken_up.update(each) == 6
    for one, another in zip(actor.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, another)
    assert gradient.metrics() == taken_up.metrics()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mirrored_batch_size": 0}, "mirrored_batch_size is 0; it must be at least 1"),
        ({"mirrored_after_updates": -1}, "mirrored_after_updates is -1; it must be at least 0"),
        ({"mirrored_clip": 0.0}, "mirrored_clip is 0.0; it must be above 0"),
        ({"mirrored_deviation": 0.0}, "mirrored_deviation is 0.0; it must be above 0"),
        ({"mirrored_discount": 1.1}, "mirrored_discount is 1.1; it must lie between 0 and 1"),
        ({"mirrored_divergence": 0.0}, "mirrored_divergence is 0.0; it must be above 0"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MirroredConfig(**settings)  # type: ignore[arg-type]


GAIN, EFFORT, DISCOUNT = 0.5, 0.3, 0.9
"""Of the task: place' = place + GAIN * action, reward = -(place^2 + EFFORT * action^2)."""


def best_feedback() -> float:
    """Of the linear quadratic regulator: the action is minus this times the place. Riccati's equation, iterated."""
    cost = 1.0
    for _ in range(1000):
        feedback = DISCOUNT * cost * GAIN / (EFFORT + DISCOUNT * cost * GAIN**2)
        cost = 1 + EFFORT * feedback**2 + DISCOUNT * cost * (1 - GAIN * feedback) ** 2
    return feedback


def drive_pairs(actor: Actor, random: np.random.Generator, count: int = 32, steps: int = 24) -> list[Pair]:
    """Pairs of episodes from anywhere."""
    start = random.uniform(-0.8, 0.8, count).astype(np.float32)
    draws = random.standard_normal((steps, count)).astype(np.float32)
    place = np.concatenate([start, start])
    places, actions, rewards = [], [], []
    for draw in draws:
        action = act(actor, place[:, None], np.concatenate([draw, -draw])[:, None], 0.05)[:, 0]
        places.append(place)
        actions.append(action)
        rewards.append(-(place**2 + EFFORT * action**2))
        place = place + np.float32(GAIN) * action

    def both(rows: list[Array]) -> Array:
        return np.stack(rows, 1).reshape(2, count, steps)

    observation, action, reward = both(places), both(actions), both(rewards)
    return [
        Pair(
            observation={"observation": observation[:, car, :, None]},
            action=action[:, car, :, None],
            reward=reward[:, car].astype(np.float32),
            terminated=False,
        )
        for car in range(count)
    ]


def test_the_best_linear_quadratic_regulator_is_found_from_nothing() -> None:
    config = replace(
        SMALL, mirrored_batch_size=256, mirrored_passes=2, mirrored_tail_steps=12, mirrored_deviation=0.05,
        mirrored_learning_rate=5e-3, mirrored_decay_iterations=50,
    )  # fmt: skip
    actor = make_actor(observation=1, action=1)
    gradient = MirroredPolicyGradient(actor, config, seed=0)
    random = np.random.default_rng(0)
    for _ in range(250):
        gradient.update(drive_pairs(actor, random))
    place = np.linspace(-0.6, 0.6, 33, dtype=np.float32)[:, None]
    error = act(actor, place, np.zeros((33, 1), np.float32)) + best_feedback() * place
    assert np.abs(error).max() < 0.07
