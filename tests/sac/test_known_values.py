"""Problems whose values are known."""

import numpy as np
import pytest
import torch

from distrib_l2r.tensor import Array
from learner_service.replay.batch import Batch
from learner_service.sac.sac import SAC
from tests.sac.builders import plain_spaces, small_config

KINDS = ["categorical", "quantile", "mean_squared"]
REWARDS, DISCOUNT = np.array([1.0, -2.0, 0.0, 3.0, 5.0], np.float32), 0.9
BATCH = 64
UPDATES = 500


def learner(kind: str, observation: int, action: int) -> SAC:
    config = small_config(
        critic=kind,
        actor_hidden_sizes=(32,),
        critic_hidden_sizes=(32,),
        batch_size=BATCH,
        actor_learning_rate=1e-2,
        critic_learning_rate=1e-2,
        target_update_rate=0.1,
        critic_action_scale=1.0,
        # Entropy would be part of the values.
        initial_temperature=1e-6,
        temperature_learning_rate=0.0,
    )
    return SAC(plain_spaces(observation, action), config, seed=0)


def predicted(sac: SAC, observation: Array, action: Array) -> Array:
    features = sac.actor.features({"observation": torch.from_numpy(observation)})
    outputs = sac._critic(torch.cat([features, torch.from_numpy(action)], 1))
    value: Array = (sac._values.mean(outputs) * sac.metrics()["return_scale"]).detach().numpy()
    return value


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_values_of_a_chain_of_five_states(kind: str) -> None:
    # State i leads to i + 1 whatever the action; the episode terminates after the last.
    known = [sum(REWARDS[j] * DISCOUNT ** (j - i) for j in range(i, 5)) for i in range(5)]
    sac = learner(kind, observation=5, action=1)
    random, states = np.random.default_rng(0), np.eye(5, dtype=np.float32)
    sac.calibrate({"observation": states}, np.array(known, np.float32))
    for _ in range(UPDATES):
        state = random.integers(0, 5, BATCH)
        sac.update(
            Batch(
                observation={"observation": states[state]},
                privileged={},
                action=random.uniform(-1, 1, (BATCH, 1)).astype(np.float32),
                n_step_return=REWARDS[state],
                bootstrap_discount=np.where(state == 4, 0, DISCOUNT).astype(np.float32),
                next_observation={"observation": states[(state + 1) % 5]},
                next_privileged={},
            )
        )
    for critic in predicted(sac, states, np.zeros((5, 1), np.float32)):
        np.testing.assert_allclose(critic, known, atol=0.2)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_actor_finds_the_best_arm_of_a_bandit(kind: str) -> None:
    # One step, reward 2 - 4 (action - best)^2, where the best action is half of what is observed.
    sac = learner(kind, observation=1, action=1)
    random = np.random.default_rng(0)
    for step in range(UPDATES):
        observation = random.uniform(-1, 1, (BATCH, 1)).astype(np.float32)
        action = random.uniform(-1, 1, (BATCH, 1)).astype(np.float32)
        reward = (2 - 4 * (action - 0.5 * observation) ** 2)[:, 0]
        if step == 0:
            sac.calibrate({"observation": observation}, reward)
        sac.update(
            Batch(
                observation={"observation": observation},
                privileged={},
                action=action,
                n_step_return=reward,
                bootstrap_discount=np.zeros(BATCH, np.float32),
                next_observation={"observation": observation},
                next_privileged={},
            )
        )
    seen = np.linspace(-0.9, 0.9, 9, dtype=np.float32)[:, None]
    with torch.no_grad():
        chosen = sac.actor({"observation": torch.from_numpy(seen)}, torch.zeros(9, 1)).numpy()
    np.testing.assert_allclose(chosen, 0.5 * seen, atol=0.12)
    np.testing.assert_allclose(predicted(sac, seen, 0.5 * seen), np.full((2, 9), 2.0), atol=0.4)
