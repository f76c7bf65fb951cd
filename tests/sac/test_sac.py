import io
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from distrib_l2r.spaces import Spaces
from learner_service.policy import Policy
from learner_service.replay.batch import Batch
from learner_service.replay.device_batch import DeviceBatch
from learner_service.sac.sac import SAC
from tests.sac.builders import camera_spaces, image_spaces, plain_spaces, random_batch, small_config

KINDS = ["categorical", "quantile", "mean_squared"]


def weights(module: torch.nn.Module) -> list[torch.Tensor]:
    return [weight.detach().clone() for weight in module.parameters()]


def changed(before: list[torch.Tensor], module: torch.nn.Module) -> bool:
    return any(not torch.equal(old, new) for old, new in zip(before, module.parameters(), strict=True))


def assert_same(state: Any, other: Any, path: str = "state") -> None:
    if isinstance(state, torch.Tensor):
        assert torch.equal(state, other), path
    elif isinstance(state, Mapping):
        assert state.keys() == other.keys(), path
        for name in state:
            assert_same(state[name], other[name], f"{path}.{name}")
    elif isinstance(state, list | tuple):
        assert len(state) == len(other), path
        for i, (one, another) in enumerate(zip(state, other, strict=True)):
            assert_same(one, another, f"{path}[{i}]")
    else:
        assert state == other, path


def on_cpu(batch: Batch) -> DeviceBatch:
    return DeviceBatch.of(batch, torch.device("cpu"))


@pytest.mark.parametrize("kind", KINDS)
def test_updates_every_kind_of_observation(kind: str) -> None:
    spaces = camera_spaces()
    sac: Policy = SAC(spaces, small_config(critic=kind), seed=1)
    before = weights(sac.actor)
    for seed in range(4):
        batch = random_batch(spaces, 8, seed)
        sac.calibrate(batch.observation, batch.n_step_return)
        sac.update(batch)
    assert changed(before, sac.actor)
    assert all(np.isfinite(value) for value in sac.metrics().values())


def test_metrics_are_there_from_the_first_update_on() -> None:
    spaces = plain_spaces()
    sac = SAC(spaces, small_config(policy_delay=1), seed=0)
    assert set(sac.metrics()) == {"temperature", "return_scale"}
    sac.update(random_batch(spaces, 8))
    assert set(sac.metrics()) == {
        "critic_loss",
        "critic_gradient_norm",
        "mean_value",
        "actor_loss",
        "actor_gradient_norm",
        "entropy",
        "temperature",
        "return_scale",
    }


def test_images_add_a_figure_of_their_own() -> None:
    spaces = image_spaces()
    sac = SAC(spaces, small_config(), seed=0)
    sac.update(random_batch(spaces, 8))
    metrics = sac.metrics()
    assert 0 < metrics["encoder_gradient_norm"] < metrics["critic_gradient_norm"]
    assert all(np.isfinite(value) for value in metrics.values())


def test_the_actor_and_the_critic_learn_from_their_own_losses_only() -> None:
    spaces = plain_spaces()
    sac = SAC(spaces, small_config(), seed=0)
    transitions = sac._transitions(on_cpu(random_batch(spaces, 8)))
    actor, critic, target = weights(sac.actor), weights(sac._critic), weights(sac._target_critic)

    action, log_probability = sac._act(torch.cat([transitions.next_features, transitions.features]))
    sac._update_critic(transitions, action[:8], log_probability[:8])
    assert changed(critic, sac._critic)
    assert not changed(actor, sac.actor)

    critic = weights(sac._critic)
    sac._update_actor(transitions, action[8:], log_probability[8:])
    assert changed(actor, sac.actor)
    assert not changed(critic, sac._critic)
    assert not changed(target, sac._target_critic)


def test_the_actor_waits_for_the_policy_delay() -> None:
    spaces = plain_spaces()
    sac = SAC(spaces, small_config(policy_delay=3), seed=0)
    moved = []
    for seed in range(6):
        before = weights(sac.actor)
        sac.update(random_batch(spaces, 8, seed))
        moved.append(changed(before, sac.actor))
    assert moved == [False, False, True, False, False, True]


def test_the_entropy_sought_falls_with_the_square_root_of_the_updates_after_a_while() -> None:
    spaces = plain_spaces(action=2)
    sac = SAC(spaces, small_config(target_entropy_scale=0.5, learning_rate_decay_updates=2), seed=0)
    sought = []
    for seed in range(8):
        sac.update(random_batch(spaces, 8, seed))
        sought.append(sac._target_entropy())
    assert sought[:2] == [-1.0, -1.0]
    assert sought[7] == pytest.approx(-2.0)
    constant = SAC(spaces, small_config(target_entropy_scale=0.5, learning_rate_decay_updates=0), seed=0)
    constant.update(random_batch(spaces, 8))
    assert constant._target_entropy() == -1.0


def test_the_target_critic_follows_at_its_rate() -> None:
    spaces = plain_spaces()
    sac = SAC(spaces, small_config(target_update_rate=0.25), seed=0)
    old = weights(sac._target_critic)
    sac.update(random_batch(spaces, 8))
    for target, before, critic in zip(sac._target_critic.parameters(), old, sac._critic.parameters(), strict=True):
        torch.testing.assert_close(target, before + 0.25 * (critic.detach() - before))


@pytest.mark.parametrize(("entropy", "rises"), [(-5.0, True), (5.0, False)])
def test_the_temperature_moves_the_entropy_to_its_target(entropy: float, rises: bool) -> None:
    sac = SAC(plain_spaces(), small_config(target_entropy_scale=0.5), seed=0)
    before = sac.metrics()["temperature"]
    sac._update_temperature(torch.full((8,), -entropy))
    assert (sac.metrics()["temperature"] > before) == rises


def test_privileged_columns_change_the_critic_but_no_action() -> None:
    spaces = camera_spaces()
    batch = random_batch(spaces, 8)
    other = replace(
        batch,
        privileged={"grip": batch.privileged["grip"] + 1},
        next_privileged={"grip": batch.next_privileged["grip"] - 1},
    )
    one, another = SAC(spaces, small_config(), seed=0), SAC(spaces, small_config(), seed=0)
    seen, unseen = one._transitions(on_cpu(batch)), another._transitions(on_cpu(other))
    torch.testing.assert_close(seen.features, unseen.features, rtol=0, atol=0)
    assert not torch.equal(seen.critic_features, unseen.critic_features)
    assert not torch.equal(seen.next_critic_features, unseen.next_critic_features)
    assert seen.critic_features.shape[1] == seen.features.shape[1] + 4


def test_rewards_count_in_units_of_the_return_scale() -> None:
    spaces = plain_spaces()
    sac = SAC(spaces, small_config(value_bound=5.0), seed=0)
    batch = random_batch(spaces, 8)
    sac.calibrate(batch.observation, np.array([-300, 100], np.float32))
    assert sac.metrics()["return_scale"] == pytest.approx(300 / 2.5)
    np.testing.assert_allclose(sac._transitions(on_cpu(batch)).reward, batch.n_step_return / 120, rtol=1e-6)


def test_calibrating_moves_the_actor_s_statistics() -> None:
    spaces = plain_spaces()
    sac = SAC(spaces, small_config(), seed=0)
    observation = np.random.default_rng(0).normal(3, 2, (500, 3)).astype(np.float32)
    sac.calibrate({"observation": observation}, np.ones(500, np.float32))
    np.testing.assert_allclose(sac.actor.features.mean, observation.mean(0), rtol=1e-5)
    np.testing.assert_allclose(sac.actor.features.inverse_deviation, 1 / observation.std(0), rtol=1e-5)


def test_the_batch_may_be_overwritten_after_the_update() -> None:
    spaces = plain_spaces()
    kept, overwritten = SAC(spaces, small_config(), seed=0), SAC(spaces, small_config(), seed=0)
    for seed in range(4):
        kept.update(random_batch(spaces, 8, seed))
        batch = random_batch(spaces, 8, seed)
        overwritten.update(batch)
        batch.observation["observation"].fill(np.nan)
        batch.n_step_return.fill(np.nan)
    assert_same(kept.state_dict(), overwritten.state_dict())
    assert kept.metrics() == overwritten.metrics()


@pytest.mark.parametrize(
    ("kind", "spaces"),
    [*((kind, camera_spaces()) for kind in KINDS), ("categorical", image_spaces())],
    ids=[*KINDS, "images"],
)
def test_a_resumed_run_goes_on_bit_for_bit(kind: str, spaces: Spaces) -> None:

    def go_on(sac: SAC, seeds: range) -> None:
        for seed in seeds:
            batch = random_batch(spaces, 8, seed)
            sac.calibrate(batch.observation, batch.n_step_return)
            sac.update(batch)

    unbroken = SAC(spaces, small_config(critic=kind), seed=0)
    go_on(unbroken, range(5))
    file = io.BytesIO()
    torch.save(unbroken.state_dict(), file)
    go_on(unbroken, range(5, 12))

    file.seek(0)
    resumed = SAC(spaces, small_config(critic=kind), seed=99)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    go_on(resumed, range(5, 12))
    assert_same(resumed.state_dict(), unbroken.state_dict())
    assert resumed.metrics() == unbroken.metrics()


def test_a_state_is_a_copy() -> None:
    spaces = plain_spaces()
    sac = SAC(spaces, small_config(), seed=0)
    state, same = sac.state_dict(), sac.state_dict()
    for seed in range(3):
        sac.update(random_batch(spaces, 8, seed))
    assert_same(state, same)


def test_a_state_of_other_sizes_is_refused() -> None:
    sac = SAC(plain_spaces(), small_config(), seed=0)
    with pytest.raises(RuntimeError, match="size mismatch"):
        sac.load_state_dict(SAC(plain_spaces(observation=4), small_config(), seed=0).state_dict())


def test_a_seed_means_the_same_weights_and_leaves_torch_s_own_stream_alone() -> None:
    torch.manual_seed(5)
    expected = torch.randn(3)
    torch.manual_seed(5)
    one, same, other = (SAC(plain_spaces(), small_config(), seed=seed) for seed in (7, 7, 8))
    assert torch.equal(torch.randn(3), expected)
    assert_same(one.state_dict(), same.state_dict())
    assert changed(weights(one.actor), other.actor)


@pytest.mark.parametrize(
    ("setting", "value", "rule"),
    [
        ("bins", 1, "bins is 1; it must be at least 2"),
        ("batch_size", 0, "batch_size is 0; it must be at least 1"),
        ("discount", 1.0, r"discount is 1.0; it must lie in \[0, 1\)"),
        ("gradient_clip", 0.0, "gradient_clip is 0.0; it must be above 0"),
        ("target_update_rate", 1.5, "target_update_rate is 1.5"),
    ],
)
def test_settings_out_of_range_are_refused(setting: str, value: float, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        small_config(**{setting: value})
