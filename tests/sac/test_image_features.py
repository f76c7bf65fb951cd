"""Gradients that go from networks by hand on into trunks and the encoder, against autograd's alone."""

import copy
from dataclasses import replace

import onnx
import pytest
import torch
from torch import Tensor

from distrib_l2r.spaces import Spaces
from learner_service.actor_export import export_actor
from learner_service.replay.batch import Batch
from learner_service.sac.random_shift import random_shift
from learner_service.sac.sac import SAC
from tests.sac.builders import image_spaces, pixel_spaces, random_batch, small_config
from tests.sac.test_sac import changed, on_cpu, weights

LEARNING_RATE, TARGET_RATE, BATCH = 1e-3, 0.05, 8


class Plain:
    """The same update as one recorded graph, with torch's own optimisers."""

    def __init__(self, sac: SAC) -> None:
        assert sac._images is not None
        self.sac = sac
        self.actor, self.critic = copy.deepcopy(sac.actor), copy.deepcopy(sac._critic)
        self.critic_trunk = copy.deepcopy(sac._images._critic_trunk)
        self.target = copy.deepcopy(self.critic)
        self.target_trunk = copy.deepcopy(self.critic_trunk)
        self.encoder = self.actor.encoder
        assert self.encoder is not None
        assert self.actor.trunk is not None
        self.trunk = self.actor.trunk
        self.temperature = sac.config.initial_temperature
        self.random = torch.Generator()
        self.random.set_state(sac.random.get_state())
        self.critic_modules = [self.critic, self.critic_trunk, self.encoder]
        critic_weights = [weight for module in self.critic_modules for weight in module.parameters()]
        self.critic_optimiser = torch.optim.Adam(critic_weights, lr=LEARNING_RATE)
        actor_weights = [*self.actor.network.parameters(), *self.trunk.parameters()]
        self.actor_optimiser = torch.optim.Adam(actor_weights, lr=LEARNING_RATE)

    def shifted(self, observation: dict[str, Tensor]) -> dict[str, Tensor]:
        pixels = self.sac.config.random_shift_pixels
        assert self.encoder is not None
        names = self.encoder.names
        return observation | {name: random_shift(observation[name], pixels, self.random) for name in names}

    def act(self, numbers: Tensor, encoded: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        outputs = self.actor.network(torch.cat([numbers, self.trunk(encoded)], 1))
        mean, log_deviation = self.actor.distribution.parameters(outputs)
        before = mean + log_deviation.exp() * noise
        normal = torch.distributions.Normal(mean, log_deviation.exp())
        log_probability = normal.log_prob(before) - torch.log1p(-(torch.tanh(before) ** 2))  # type: ignore[no-untyped-call]
        return self.actor.distribution.act(outputs, noise), log_probability.sum(1)

    def update(self, batch: Batch) -> None:
        on_device, values = on_cpu(batch), self.sac._values
        observation = self.shifted(dict(on_device.observation))
        next_observation = self.shifted(dict(on_device.next_observation))
        next_noise, noise = torch.randn(2 * BATCH, 2, generator=self.random).chunk(2)
        assert self.encoder is not None
        numbers, next_numbers = self.actor.features(observation), self.actor.features(next_observation)
        encoded, next_encoded = self.encoder(observation), self.encoder(next_observation)
        privileged, next_privileged = numbers[:, :0], numbers[:, :0]
        if batch.privileged:
            privileged = self.sac._privileged(on_device.privileged)
            next_privileged = self.sac._privileged(on_device.next_privileged)
        with torch.no_grad():
            action, log_probability = self.act(next_numbers, next_encoded, next_noise)
            seen = torch.cat([next_numbers, next_privileged, self.target_trunk(next_encoded), action], 1)
            reward, discount = on_device.n_step_return / self.sac._reward_unit, on_device.bootstrap_discount
            target = values.target(self.target(seen), reward, discount, -self.temperature * log_probability)
        taken = self.actor.shrink(on_device.action)
        outputs = self.critic(torch.cat([numbers, privileged, self.critic_trunk(encoded), taken], 1))
        self.critic_optimiser.zero_grad()
        values.loss(outputs, target).backward()  # type: ignore[no-untyped-call]
        self.critic_optimiser.step()

        action, log_probability = self.act(numbers, encoded.detach(), noise)
        with torch.no_grad():
            critic_seen = self.critic_trunk(encoded.detach())
        outputs = self.critic(torch.cat([numbers, privileged, critic_seen, action], 1))
        least = values.mean(outputs).amin(0)
        self.actor_optimiser.zero_grad()
        loss = (self.temperature * log_probability - least).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        self.actor_optimiser.step()
        for slow, fast in ((self.target, self.critic), (self.target_trunk, self.critic_trunk)):
            for average, weight in zip(slow.parameters(), fast.parameters(), strict=True):
                average.data.lerp_(weight.data, TARGET_RATE)


@pytest.mark.parametrize("spaces", [image_spaces(), pixel_spaces()], ids=["numbers and images", "an image"])
@pytest.mark.parametrize("critic", ["categorical", "mean_squared"])
def test_updates_are_those_of_one_recorded_graph(spaces: Spaces, critic: str) -> None:
    config = small_config(
        critic=critic,
        random_shift_pixels=2,
        actor_learning_rate=LEARNING_RATE,
        critic_learning_rate=LEARNING_RATE,
        temperature_learning_rate=0.0,
        learning_rate_decay_updates=0,
        gradient_clip=float("inf"),
        target_update_rate=TARGET_RATE,
        critic_action_scale=1.0,
        initial_temperature=0.2,
    )
    sac = SAC(spaces, config, seed=1)
    assert sac._images is not None
    first = random_batch(spaces, BATCH, 99)
    sac.calibrate(first.observation, first.n_step_return)
    # Statistics of privileged columns come with the first update.
    sac.update(first)
    plain = Plain(sac)
    # Neither optimiser's averages nor target are those of a beginning.
    for part in (sac._actor_optimiser, sac._critic_optimiser):
        part.load_state_dict({name: torch.zeros_like(tensor) for name, tensor in part.state_dict().items()})
    with torch.no_grad():
        sac._target_vector.copy_(sac._online_vector)
    begun = weights(sac.actor)
    for seed in range(4):
        batch = random_batch(spaces, BATCH, seed)
        sac.update(batch)
        plain.update(batch)
    for ours, theirs in (
        (sac.actor, plain.actor),
        (sac._critic, plain.critic),
        (sac._images._critic_trunk, plain.critic_trunk),
        (sac._target_critic, plain.target),
        (sac._images._target_trunk, plain.target_trunk),
    ):
        for name, weight in ours.named_parameters():
            # Adam's first steps are of one size whatever the gradient: where that is rounding alone, they differ.
            off = (weight - theirs.get_parameter(name)).abs() > 2e-5
            assert off.float().mean() < 0.01, name
    assert all(not torch.equal(old, new) for old, new in zip(begun, sac.actor.parameters(), strict=True))


@pytest.mark.parametrize("part", ["critic", "actor"])
def test_gradients_are_those_of_autograd(part: str) -> None:
    spaces = image_spaces()
    sac = SAC(spaces, small_config(), seed=0)
    assert sac._images is not None
    assert sac.actor.encoder is not None
    batch = on_cpu(random_batch(spaces, BATCH))
    random = torch.Generator()
    random.set_state(sac.random.get_state())
    sac._transitions(batch)
    images = {name: random_shift(batch.observation[name], 4, random) for name in sac.actor.encoder.names}
    by_features = torch.randn(BATCH, sac._images.size)
    trunk, own = (
        (sac._images._critic_trunk, sac._images.critic_weights)
        if part == "critic"
        else (sac.actor.trunk, sac._images.actor_weights)
    )
    assert trunk is not None
    expected = torch.autograd.grad(trunk(sac.actor.encoder(images)), own, by_features)
    into = [torch.full_like(weight, torch.nan) for weight in own]
    if part == "critic":
        norm = sac._images.critic_backward(by_features, into)
        encoder = torch.cat([gradient.flatten() for gradient in expected[4:]])
        torch.testing.assert_close(norm, encoder.norm())
    else:
        sac._images.actor_backward(by_features, into)
    for gradient, wanted in zip(into, expected, strict=True):
        torch.testing.assert_close(gradient, wanted)
        assert gradient.abs().max() > 0


def test_the_critics_move_the_encoder_and_the_actor_does_not() -> None:
    spaces = image_spaces()
    sac = SAC(spaces, small_config(), seed=0)
    images, encoder, trunk = sac._images, sac.actor.encoder, sac.actor.trunk
    assert images is not None
    assert encoder is not None
    assert trunk is not None
    transitions = sac._transitions(on_cpu(random_batch(spaces, BATCH)))
    before = [weights(module) for module in (encoder, images._critic_trunk, trunk, images._target_trunk)]
    action, log_probability = sac._act(torch.cat([transitions.next_features, transitions.features]))
    sac._update_critic(transitions, action[:BATCH], log_probability[:BATCH])
    moved = [
        changed(old, module)
        for old, module in zip(before, (encoder, images._critic_trunk, trunk, images._target_trunk), strict=True)
    ]
    assert moved == [True, True, False, False]

    before = [weights(module) for module in (encoder, images._critic_trunk, sac._critic)]
    own = [weights(module) for module in (trunk, sac.actor.network)]
    sac._update_actor(transitions, action[BATCH:], log_probability[BATCH:])
    assert not any(
        changed(old, module) for old, module in zip(before, (encoder, images._critic_trunk, sac._critic), strict=True)
    )
    assert all(changed(old, module) for old, module in zip(own, (trunk, sac.actor.network), strict=True))


def test_updates_without_the_actor_move_the_encoder_too() -> None:
    spaces = pixel_spaces()
    sac = SAC(spaces, small_config(policy_delay=3), seed=0)
    assert sac.actor.encoder is not None
    assert sac.actor.trunk is not None
    moved = []
    for seed in range(3):
        before = [weights(module) for module in (sac.actor.encoder, sac.actor.trunk)]
        sac.update(random_batch(spaces, BATCH, seed))
        moved.append(
            [changed(old, module) for old, module in zip(before, (sac.actor.encoder, sac.actor.trunk), strict=True)]
        )
    assert moved == [[True, False], [True, False], [True, True]]


def test_images_are_shifted_in_updates_each_time_anew() -> None:
    spaces = pixel_spaces()
    batch = on_cpu(random_batch(spaces, BATCH))
    sac, still = (SAC(spaces, small_config(random_shift_pixels=pixels), seed=0) for pixels in (4, 0))
    one, other = sac._transitions(batch), sac._transitions(batch)
    assert not torch.equal(one.features, other.features)
    assert not torch.equal(one.next_critic_features, other.next_critic_features)
    rows = still.actor.rows(batch.observation)
    torch.testing.assert_close(still._transitions(batch).features, rows.detach(), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(one.features, rows, atol=1e-2)


@pytest.mark.slow
def test_privileged_columns_reach_the_critics_and_not_the_actor_s_graph() -> None:
    spaces = image_spaces()
    batch = random_batch(spaces, BATCH)
    other = replace(
        batch,
        privileged={"grip": batch.privileged["grip"] + 1},
        next_privileged={"grip": batch.next_privileged["grip"] - 1},
    )
    one, another = (SAC(spaces, small_config(random_shift_pixels=0), seed=0) for _ in range(2))
    seen, unseen = one._transitions(on_cpu(batch)), another._transitions(on_cpu(other))
    assert torch.equal(seen.features, unseen.features)
    assert torch.equal(seen.next_features, unseen.next_features)
    assert not torch.equal(seen.critic_features, unseen.critic_features)
    assert not torch.equal(seen.next_critic_features, unseen.next_critic_features)
    assert seen.critic_features.shape[1] == seen.features.shape[1] + 4

    inputs = {entry.name for entry in onnx.load_from_string(export_actor(one.actor, spaces).onnx).graph.input}
    assert {"camera", "speed", "depth", "map", "noise"} <= inputs
    assert not [name for name in inputs if "grip" in name or "privileged" in name or "critic" in name]
    for sac, rows in ((one, batch), (another, other)):
        sac.update(rows)
    assert changed(weights(one._critic), another._critic)
