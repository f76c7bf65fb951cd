"""The change from SAC to mirrored pairs, in the policy and in the trainer."""

import numpy as np
import pytest
import torch

from learner_service.config import EnvironmentConfig, LearnerConfig
from learner_service.make_policy import make_policy
from learner_service.mirrored.config import MirroredConfig
from learner_service.sac.sac import SAC
from learner_service.sac_then_mirrored import SACThenMirrored
from tests.mirrored.test_policy_gradient import make_pair
from tests.sac.builders import image_spaces, plain_spaces, random_batch, small_config

SPACES = plain_spaces()


def make(seed: int = 0, after_updates: int = 3) -> SACThenMirrored:
    return SACThenMirrored(
        SAC(SPACES, small_config(), seed=seed), MirroredConfig(), after_updates=after_updates, seed=0
    )


def calibrate(policy: SACThenMirrored, seed: int = 0) -> None:
    batch = random_batch(SPACES, 8, seed)
    policy.calibrate(batch.observation, batch.n_step_return)


def advance(policy: SACThenMirrored, updates: int) -> None:
    for seed in range(updates):
        policy.update(random_batch(SPACES, 8, seed))


def test_pairs_take_over_once_sac_made_its_updates_and_calibration_asks() -> None:
    policy = make()
    calibrate(policy)
    advance(policy, 2)
    calibrate(policy)
    sampling = policy.sampling
    assert policy.mirrored is None
    assert not sampling.mirrored_noise
    assert "critic_loss" in policy.metrics()
    advance(policy, 1)
    mean = policy.actor.features.mean.clone()
    calibrate(policy, seed=5)
    assert policy.mirrored is not None
    assert policy.sampling.mirrored_noise
    assert policy.sampling is policy.sampling
    assert policy.mirrored.update([make_pair(policy.actor, steps=100)]) == 2
    assert "critic_loss" not in policy.metrics()
    calibrate(policy, seed=6)
    assert torch.equal(policy.actor.features.mean, mean), "a change of statistics would change what the actor does"


def test_sac_goes_on_while_workers_bring_too_little() -> None:
    policy = make()
    enough = False
    policy.enough_data = lambda: enough
    advance(policy, 5)
    calibrate(policy)
    assert policy.mirrored is None
    enough = True
    calibrate(policy)
    assert policy.mirrored is not None


@pytest.mark.parametrize("updates", [2, 3], ids=["before the change", "after it"])
def test_a_state_taken_up_goes_on_where_it_was(updates: int) -> None:
    policy, other = make(0), make(1)
    calibrate(policy)
    advance(policy, updates)
    calibrate(policy)
    if policy.mirrored is not None:
        policy.mirrored.update([make_pair(policy.actor, steps=100)])
    other.load_state_dict(policy.state_dict())
    assert (other.mirrored is None) == (policy.mirrored is None)
    pair = make_pair(policy.actor, seed=4, steps=100)
    for each in (policy, other):
        if each.mirrored is not None:
            each.mirrored.update([pair])
        else:
            advance(each, 3)
    for one, another in zip(policy.actor.parameters(), other.actor.parameters(), strict=True):
        assert torch.equal(one, another)


def test_a_state_from_after_the_change_can_be_left_for_one_from_before() -> None:
    policy = make()
    before = policy.state_dict()
    advance(policy, 3)
    calibrate(policy)
    policy.load_state_dict(before)
    assert policy.mirrored is None
    assert not policy.sampling.mirrored_noise


def test_images_are_left_to_sac() -> None:
    config = LearnerConfig(environment=EnvironmentConfig(env="Racetrack-v0"), sac=small_config())
    assert isinstance(make_policy(image_spaces(), config), SAC)
    with pytest.raises(ValueError, match="the actor encodes images"):
        SACThenMirrored(SAC(image_spaces(), small_config()), MirroredConfig(), after_updates=1, seed=0)


@pytest.mark.parametrize(
    ("env", "given", "expected"),
    [
        ("Racetrack-v0", None, 40_000),
        ("some_module:Racetrack-v0", None, 40_000),
        ("Pendulum-v1", None, 0),
        ("Racetrack-v0", 0, 0),
        ("Pendulum-v1", 7, 7),
    ],
)
def test_who_says_nothing_gets_mirrored_pairs_on_the_racetrack_alone(
    env: str, given: int | None, expected: int
) -> None:
    config = LearnerConfig(
        environment=EnvironmentConfig(env=env),
        mirrored=MirroredConfig(mirrored_after_updates=given),
        sac=small_config(),
    )
    assert config.mirrored_after_updates == expected
    assert isinstance(make_policy(SPACES, config), SACThenMirrored) == (expected > 0)


def test_actions_are_those_of_before_at_the_moment_of_the_change() -> None:
    policy = make()
    advance(policy, 3)
    rows = {"observation": torch.from_numpy(np.random.default_rng(0).standard_normal((20, 3)).astype(np.float32))}
    with torch.no_grad():
        before = policy.actor(rows, torch.zeros(20, 2))
        calibrate(policy)
        assert torch.equal(policy.actor(rows, torch.zeros(20, 2)), before)
