"""Soft actor-critic as plainly as it is usually written: the baseline of `updates`.

The same computation as CleanRL's sac_continuous_action.py (MIT licence, https://github.com/vwxyzjn/cleanrl), written
anew: two critics and their targets as separate modules, autograd throughout, an Adam for each part, automatic
temperature, the actor updated twice every second update, uniform sampling by fancy indexing into NumPy arrays, and
losses not read back.
"""

import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

LOG_DEVIATION_LOW, LOG_DEVIATION_HIGH = -5.0, 2.0
POLICY_PERIOD = 2


class Transitions:
    """A ring of one-step transitions, observations stored twice, full of random numbers."""

    def __init__(self, rows: int, width: int, actions: int, batch_size: int, device: str = "cpu") -> None:
        self._device = device
        self._random = random = np.random.default_rng(0)
        self._rows = rows
        self._batch_size = batch_size
        self._observation = random.standard_normal((rows, width), np.float32)
        self._next = random.standard_normal((rows, width), np.float32)
        self._action = random.uniform(-1, 1, (rows, actions)).astype(np.float32)
        self._reward = random.random((rows, 1), np.float32)
        self._done = (random.random((rows, 1)) < 0.01).astype(np.float32)

    def sample(self) -> tuple[Tensor, ...]:
        """A batch: observation, action, reward, next observation, done."""
        rows = self._random.integers(0, self._rows, size=self._batch_size)
        columns = (self._observation, self._action, self._reward, self._next, self._done)
        return tuple(torch.tensor(column[rows], device=self._device) for column in columns)


class Critic(nn.Module):
    """A value of observation and action."""

    def __init__(self, width: int, actions: int, hidden: int) -> None:
        super().__init__()
        self.first = nn.Linear(width + actions, hidden)
        self.second = nn.Linear(hidden, hidden)
        self.last = nn.Linear(hidden, 1)

    def forward(self, observation: Tensor, action: Tensor) -> Tensor:
        rows = functional.relu(self.first(torch.cat([observation, action], 1)))
        value: Tensor = self.last(functional.relu(self.second(rows)))
        return value


class GaussianActor(nn.Module):
    """A squashed Gaussian with a head for the mean and one for the deviation."""

    def __init__(self, width: int, actions: int, hidden: int) -> None:
        super().__init__()
        self.first = nn.Linear(width, hidden)
        self.second = nn.Linear(hidden, hidden)
        self.mean = nn.Linear(hidden, actions)
        self.log_deviation = nn.Linear(hidden, actions)

    def sample(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        """Actions [batch, actions] and their log-probabilities [batch, 1]."""
        rows = functional.relu(self.second(functional.relu(self.first(observation))))
        squashed = torch.tanh(self.log_deviation(rows))
        span = LOG_DEVIATION_HIGH - LOG_DEVIATION_LOW
        normal = torch.distributions.Normal(self.mean(rows), (LOG_DEVIATION_LOW + 0.5 * span * (squashed + 1)).exp())
        before = normal.rsample()
        action = torch.tanh(before)
        log_probability = normal.log_prob(before) - torch.log(1 - action.pow(2) + 1e-6)  # type: ignore[no-untyped-call]
        return action, log_probability.sum(1, keepdim=True)


class PlainSAC:
    """One update after the other.

    Args:
        width: of observations.
        actions: action dimensions.
        hidden: units of both hidden layers.
        discount: a step.
        device: of the networks, and of the batches.
    """

    def __init__(
        self, width: int, actions: int, hidden: int = 256, discount: float = 0.99, device: str = "cpu"
    ) -> None:
        self._discount = discount
        self._actor = GaussianActor(width, actions, hidden).to(device)
        self._critics = [Critic(width, actions, hidden).to(device) for _ in range(2)]
        self._targets = [copy.deepcopy(critic) for critic in self._critics]
        parameters: list[Any] = [parameter for critic in self._critics for parameter in critic.parameters()]
        self._critic_optimiser = torch.optim.Adam(parameters, lr=1e-3)
        self._actor_optimiser = torch.optim.Adam(list(self._actor.parameters()), lr=3e-4)
        self._target_entropy = -float(actions)
        self._log_temperature = torch.zeros(1, requires_grad=True, device=device)
        self._temperature = 1.0
        self._temperature_optimiser = torch.optim.Adam([self._log_temperature], lr=1e-3)
        self._updates = 0

    def update(self, batch: tuple[Tensor, ...]) -> None:
        """A critic update; every second time two of the actor and the temperature; then of the targets."""
        observation, action, reward, following, done = batch
        with torch.no_grad():
            next_action, log_probability = self._actor.sample(following)
            first, second = (target(following, next_action) for target in self._targets)
            value = torch.min(first, second) - self._temperature * log_probability
            wanted = reward + (1 - done) * self._discount * value
        loss = sum(functional.mse_loss(critic(observation, action), wanted) for critic in self._critics)
        assert isinstance(loss, Tensor), "a sum over two critics"
        self._critic_optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._critic_optimiser.step()
        self._updates += 1
        if self._updates % POLICY_PERIOD == 0:
            for _ in range(POLICY_PERIOD):
                self._update_actor(observation)
        for critic, target in zip(self._critics, self._targets, strict=True):
            for parameter, slow in zip(critic.parameters(), target.parameters(), strict=True):
                slow.data.copy_(0.005 * parameter.data + 0.995 * slow.data)

    def _update_actor(self, observation: Tensor) -> None:
        action, log_probability = self._actor.sample(observation)
        first, second = (critic(observation, action) for critic in self._critics)
        loss = (self._temperature * log_probability - torch.min(first, second)).mean()
        self._actor_optimiser.zero_grad()
        loss.backward()
        self._actor_optimiser.step()
        with torch.no_grad():
            _, log_probability = self._actor.sample(observation)
        loss = (-self._log_temperature.exp() * (log_probability + self._target_entropy)).mean()
        self._temperature_optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._temperature_optimiser.step()
        self._temperature = self._log_temperature.exp().item()
