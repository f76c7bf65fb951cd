"""SAC without its modern parts against a straightforward implementation of the paper, written here."""

import copy

import torch
from torch import Tensor, nn

from learner_service.sac.mlp import MLP
from learner_service.sac.sac import SAC
from tests.sac.builders import plain_spaces, random_batch, small_config

LEARNING_RATE, TARGET_RATE, BATCH, ACTIONS = 1e-3, 0.01, 8, 2


def sequential(network: MLP, member: int | None) -> nn.Sequential:
    layers: list[nn.Module] = []
    for layer in network.layers:
        weight, bias = (tensor.detach() for tensor in layer.parameters())
        weight, bias = (weight, bias) if member is None else (weight[member], bias[member, 0])
        linear = nn.Linear(*weight.shape)
        linear.weight.data.copy_(weight.T)
        linear.bias.data.copy_(bias)
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class PlainSAC:
    def __init__(self, sac: SAC) -> None:
        self.actor = sequential(sac.actor.network, None)
        self.critics = [sequential(sac._critic, member) for member in range(2)]
        self.targets = copy.deepcopy(self.critics)
        self.log_temperature = torch.tensor(0.2).log().requires_grad_()
        self.random = torch.Generator().manual_seed(3)
        critic_weights = [weight for critic in self.critics for weight in critic.parameters()]
        self.actor_optimiser = torch.optim.Adam(self.actor.parameters(), lr=LEARNING_RATE)
        self.critic_optimiser = torch.optim.Adam(critic_weights, lr=LEARNING_RATE)
        self.temperature_optimiser = torch.optim.Adam([self.log_temperature], lr=LEARNING_RATE)

    def act(self, observation: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        mean, raw = self.actor(observation).split(ACTIONS, 1)
        log_deviation = -5 + 3.5 * (torch.tanh(raw) + 1)
        before = mean + log_deviation.exp() * noise
        action = torch.tanh(before)
        normal = torch.distributions.Normal(mean, log_deviation.exp())
        log_probability = normal.log_prob(before) - torch.log(1 - action**2)  # type: ignore[no-untyped-call]
        return action, log_probability.sum(1, keepdim=True)

    def update(self, observation: Tensor, action: Tensor, reward: Tensor, discount: Tensor, following: Tensor) -> None:
        next_noise, noise = torch.randn(2 * BATCH, ACTIONS, generator=self.random).chunk(2)
        with torch.no_grad():
            next_action, log_probability = self.act(following, next_noise)
            inputs = torch.cat([following, next_action], 1)
            least = torch.minimum(self.targets[0](inputs), self.targets[1](inputs))
            target = reward + discount * (least - self.log_temperature.exp() * log_probability)
        inputs = torch.cat([observation, action], 1)
        critic_loss = sum(nn.functional.mse_loss(critic(inputs), target) for critic in self.critics)
        self.critic_optimiser.zero_grad()
        critic_loss.backward()  # type: ignore[union-attr]
        self.critic_optimiser.step()

        chosen, log_probability = self.act(observation, noise)
        inputs = torch.cat([observation, chosen], 1)
        least = torch.minimum(self.critics[0](inputs), self.critics[1](inputs))
        actor_loss = (self.log_temperature.exp().detach() * log_probability - least).mean()
        self.actor_optimiser.zero_grad()
        actor_loss.backward()  # type: ignore[no-untyped-call]
        self.actor_optimiser.step()

        temperature_loss = (-self.log_temperature.exp() * (log_probability.detach() - ACTIONS)).mean()
        self.temperature_optimiser.zero_grad()
        temperature_loss.backward()  # type: ignore[no-untyped-call]
        self.temperature_optimiser.step()

        for critic, slow in zip(self.critics, self.targets, strict=True):
            for weight, average in zip(critic.parameters(), slow.parameters(), strict=True):
                average.data.copy_((1 - TARGET_RATE) * average.data + TARGET_RATE * weight.data)


def test_plain_settings_equal_a_straightforward_implementation() -> None:
    spaces = plain_spaces(observation=5, action=ACTIONS)
    config = small_config(
        actor_hidden_sizes=(16, 12),
        critic_hidden_sizes=(16, 12),
        activation="relu",
        layer_norm=False,
        critic="mean_squared",
        observation_normalisation=False,
        return_normalisation=False,
        policy_delay=1,
        action_stretch=1.0,
        critic_action_scale=1.0,
        learning_rate_decay_updates=0,
        target_update_rate=TARGET_RATE,
        actor_learning_rate=LEARNING_RATE,
        critic_learning_rate=LEARNING_RATE,
        temperature_learning_rate=LEARNING_RATE,
        initial_temperature=0.2,
        target_entropy_scale=1.0,
        gradient_clip=float("inf"),
    )
    sac = SAC(spaces, config, seed=3)
    plain = PlainSAC(sac)
    for seed in range(20):
        batch = random_batch(spaces, BATCH, seed)
        sac.update(batch)
        plain.update(
            torch.from_numpy(batch.observation["observation"]),
            torch.from_numpy(batch.action),
            torch.from_numpy(batch.n_step_return)[:, None],
            torch.from_numpy(batch.bootstrap_discount)[:, None],
            torch.from_numpy(batch.next_observation["observation"]),
        )
    inputs = torch.randn(64, 5 + ACTIONS, generator=torch.Generator().manual_seed(0))
    for member in range(2):
        torch.testing.assert_close(sac._critic(inputs)[member], plain.critics[member](inputs), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(
            sac._target_critic(inputs)[member], plain.targets[member](inputs), rtol=1e-4, atol=1e-5
        )
    torch.testing.assert_close(sac.actor.network(inputs[:, :5]), plain.actor(inputs[:, :5]), rtol=1e-4, atol=1e-5)
    assert abs(sac.metrics()["temperature"] - plain.log_temperature.exp().item()) < 1e-6
    assert abs(sac.metrics()["temperature"] - 0.2) > 1e-4
