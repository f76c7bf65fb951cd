"""Soft actor-critic (Haarnoja et al. 2018, https://arxiv.org/abs/1812.05905) with modern critics."""

import copy
import logging
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from distrib_l2r.spaces import Spaces
from distrib_l2r.tensor import Array
from learner_service.checkpoint.state_copy import copy_state
from learner_service.replay.batch import Batch
from learner_service.replay.device_batch import DeviceBatch
from learner_service.replay.device_ring import DeviceRing
from learner_service.replay.sampling import Sampling
from learner_service.sac.actor import ACTIVATIONS, Actor
from learner_service.sac.config import SACConfig
from learner_service.sac.features import Features, RunningStatistics, flatten_columns
from learner_service.sac.figures import figures
from learner_service.sac.gradients import Pass
from learner_service.sac.image_features import image_features
from learner_service.sac.mlp import MLP
from learner_service.sac.optimiser import Optimiser, as_vector
from learner_service.sac.return_scale import ReturnScale
from learner_service.sac.transitions import Transitions
from learner_service.sac.values import make_values

_logger = logging.getLogger(__name__)

CRITICS = 2
"""Clipped double Q-learning takes the least of two (https://arxiv.org/abs/1802.09477)."""

UPDATES_PER_PRIVILEGED_SAMPLE = 256
"""Privileged columns are not part of `calibrate`: their statistics come from every so many batches."""


class SAC:
    """A `Policy`.

    Over n steps the entropy bonus of the steps in between is left out, as usual: they were driven by older policies,
    whose entropy is unknown. Only the bootstrap state carries it.

    Args:
        spaces: of the run.
        config: its settings.
        seed: of the weights and of all sampling.
    """

    def __init__(self, spaces: Spaces, config: SACConfig | None = None, seed: int = 0) -> None:
        self.spaces = spaces
        self.config = config = config or SACConfig()
        self.sampling = Sampling(batch_size=config.batch_size, n_step=config.n_step, discount=config.discount)
        automatic = "cuda" if torch.cuda.is_available() else "cpu"
        self.device = torch.device(automatic if config.device == "auto" else config.device)
        # Weights are drawn on the CPU, so that a seed means the same on every device; the caller's stream stays put.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.actor = Actor(spaces, config).to(self.device)
            self._features, self._gaussian = self.actor.features, self.actor.distribution
            self._privileged = Features(spaces.privileged, normalise=config.observation_normalisation).to(self.device)
            self._values = make_values(config).to(self.device)
            self._images = image_features(self.actor, config)
            inputs = self.actor.row_size + self._privileged.size + self.actor.action_size
            self._critic = MLP(
                (inputs, *config.critic_hidden_sizes, self._values.outputs),
                stack=CRITICS,
                layer_norm=config.layer_norm,
                activation=ACTIVATIONS[config.activation],
            ).to(self.device)
        self._target_critic = copy.deepcopy(self._critic).requires_grad_(False)
        initial = torch.tensor(math.log(config.initial_temperature), device=self.device)
        self._log_temperature = nn.Parameter(initial, requires_grad=False)

        actor_weights, critic_weights = list(self.actor.network.parameters()), list(self._critic.parameters())
        target_weights = list(self._target_critic.parameters())
        if self._images is not None:
            actor_weights += self._images.actor_weights
            critic_weights += self._images.critic_weights
            target_weights += self._images.target_weights
        self._actor_optimiser = Optimiser(
            actor_weights,
            learning_rate=config.actor_learning_rate,
            clip=config.gradient_clip,
            decay_steps=config.learning_rate_decay_updates / config.policy_delay,
        )
        self._critic_optimiser = Optimiser(
            critic_weights,
            learning_rate=config.critic_learning_rate,
            clip=config.gradient_clip,
            decay_steps=config.learning_rate_decay_updates,
        )
        self._temperature_optimiser = Optimiser([self._log_temperature], learning_rate=config.temperature_learning_rate)
        # Made once the weights lie where they stay.
        self._actor_pass = Pass(self.actor.network)
        self._critic_pass = Pass(self._critic)
        self._target_vector = as_vector(target_weights)
        # An encoder of images, at the end, has no target.
        self._online_vector = self._critic_optimiser.vector.detach()[: len(self._target_vector)]
        self._target_pass = Pass(self._target_critic)
        self.random = torch.Generator(self.device).manual_seed(seed)
        self._observation_statistics = RunningStatistics(self._features.size)
        self._privileged_statistics = RunningStatistics(self._privileged.size)
        # Twice the largest return yet: a better policy's values must fit too.
        self._return_scale = ReturnScale(config.value_bound / 2)
        self._reward_unit = torch.tensor(self._return_scale.value, device=self.device)
        self._updates = 0
        self._newest: dict[str, Tensor] = {}

    @property
    def updates(self) -> int:
        """Made so far."""
        return self._updates

    def update(self, batch: Batch) -> None:
        """One gradient update. Nothing here waits for the device."""
        on_device = DeviceBatch.of(batch, self.device)
        if self._updates % UPDATES_PER_PRIVILEGED_SAMPLE == 0:
            self._follow_privileged(on_device.privileged)
        self._update(on_device)

    def update_from(self, ring: DeviceRing) -> None:
        """One gradient update from replay on the same device, all of which a CUDA graph may capture."""
        self._update(ring.sample(self.random))

    def calibrate_privileged(self, ring: DeviceRing, updates: int) -> None:
        """Takes in statistics of privileged columns if they are due within so many updates; then it waits for them."""
        if self._privileged.normalise and self._updates % UPDATES_PER_PRIVILEGED_SAMPLE < updates:
            self._follow_privileged(ring.sample(self.random).privileged)

    def replayed(self, updates: int) -> None:
        """Counts updates that a captured graph makes."""
        self._updates += updates

    @torch.no_grad()
    def _update(self, batch: DeviceBatch) -> None:
        transitions = self._transitions(batch)
        self._updates += 1
        if self._updates % self.config.policy_delay:
            self._update_critic(transitions, *self._act(transitions.next_features))
        else:
            # The critics' update leaves the actor as it is: one pass serves both.
            action, log_probability = self._act(torch.cat([transitions.next_features, transitions.features]))
            size = len(transitions.features)
            self._update_critic(transitions, action[:size], log_probability[:size])
            self._update_actor(transitions, action[size:], log_probability[size:])
            self._update_temperature(log_probability[size:])
        self._target_vector.lerp_(self._online_vector, self.config.target_update_rate)

    def _act(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Actions in [-1, 1], [rows, action size], and their log-probabilities, [rows]."""
        shape = (len(features), self.actor.action_size)
        noise = torch.randn(shape, generator=self.random, device=self.device)
        return self._gaussian.sample(self._actor_pass.forward(features), noise)

    def _update_critic(self, transitions: Transitions, next_action: Tensor, next_log_probability: Tensor) -> None:
        next_outputs = self._target_pass.forward(self._critic_inputs(transitions.next_critic_features, next_action))
        entropy_bonus = -self._log_temperature.exp() * next_log_probability
        target = self._values.target(next_outputs, transitions.reward, transitions.discount, entropy_bonus)
        outputs = self._critic_pass.forward(self._critic_inputs(transitions.critic_features, transitions.unit_action))
        by_outputs = self._values.loss_gradient(outputs, target)
        self._critic_pass.backward(by_outputs, self._critic_optimiser.gradients)
        if self._images is not None:
            size, actions = self._images.size, transitions.unit_action.shape[1]
            by_features = self._critic_pass.input_gradient(by_outputs, size + actions)[:, :size]
            self._newest["encoder_gradient_norm"] = self._images.critic_backward(
                by_features, self._critic_optimiser.gradients
            )
        norm = self._critic_optimiser.step()
        self._newest |= {"critic_gradient_norm": norm, "outputs": outputs, "target": target}

    def _update_actor(self, transitions: Transitions, action: Tensor, log_probability: Tensor) -> None:
        """A step down temperature * log-probability - value, of actions that are the last rows of the newest pass."""
        size = len(action)
        critic_features = transitions.critic_features
        if self._images is not None:
            critic_features = self._images.renewed(critic_features)
        outputs = self._critic_pass.forward(self._critic_inputs(critic_features, action))
        value, critic = self._values.mean(outputs).min(0, keepdim=True)
        # The gradient passes through the critic with the least value, whose weights stay as they are.
        share = -self.config.critic_action_scale / size
        by_value = torch.zeros(CRITICS, size, 1, device=self.device).scatter_(0, critic.unsqueeze(-1), share)
        by_outputs = self._values.mean_gradient(outputs).mul_(by_value)
        by_action = self._critic_pass.input_gradient(by_outputs, action.shape[1])
        temperature = self._log_temperature.exp()
        by_outputs = self._gaussian.gradient(by_action, temperature / size)
        self._actor_pass.backward(by_outputs, self._actor_optimiser.gradients)
        if self._images is not None:
            by_features = self._actor_pass.input_gradient(by_outputs, self._images.size)
            self._images.actor_backward(by_features, self._actor_optimiser.gradients)
        norm = self._actor_optimiser.step()
        self._newest |= {
            "actor_gradient_norm": norm,
            "value": value,
            "log_probability": log_probability,
            "temperature_then": temperature,
        }

    def _update_temperature(self, log_probability: Tensor) -> None:
        # Of the loss -temperature * (log-probability + target entropy), by the temperature's logarithm: too little
        # entropy, and the temperature rises.
        surplus = log_probability.mean() + self._target_entropy()
        torch.mul(self._log_temperature.exp(), -surplus, out=self._temperature_optimiser.gradients[0])
        self._temperature_optimiser.step()

    def calibrate(self, observation: Mapping[str, Array], discounted_return: Array) -> None:
        """Moves observation statistics and the return scale towards a sample of replay, by small steps."""
        if self._features.normalise:
            self._observation_statistics.add(flatten_columns(observation, self._features.names))
            self._features.take_statistics(self._observation_statistics)
        if self.config.return_normalisation:
            self._return_scale.add(discounted_return)
            self._reward_unit.fill_(self._return_scale.value)

    def metrics(self) -> dict[str, float]:
        """Newest figures; see `figures`."""
        return figures(self._newest, self._log_temperature.exp(), self._values, self._return_scale.value)

    def state_dict(self) -> dict[str, Any]:
        """A copy of everything: networks, optimisers, temperature, statistics, random state, counter, newest figures.

        Its tensors stay on their device; nothing here waits for it.
        """
        state: dict[str, Any] = copy_state(
            {name: part.state_dict() for name, part in self._parts().items()}
            | {
                "log_temperature": self._log_temperature,
                "random": self.random.get_state(),
                "device": self.device.type,
                "updates": self._updates,
                "newest": self._newest,
            }
        )
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes up a state of an `SAC` of the same spaces and configuration, on whatever device that was.

        Raises:
            RuntimeError: its networks are of other shapes.
        """
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        with torch.no_grad():
            self._log_temperature.copy_(state["log_temperature"])
        self._reward_unit.fill_(self._return_scale.value)
        if state["device"] == self.device.type:
            self.random.set_state(state["random"].cpu())
        else:
            # Generators of different kinds of device have nothing in common; everything else moves over.
            _logger.warning(
                "the state is of a %s, this is a %s: random numbers begin anew", state["device"], self.device
            )
        self._updates = state["updates"]
        self._newest = {name: tensor.to(self.device, copy=True) for name, tensor in state["newest"].items()}

    def _parts(self) -> dict[str, Any]:
        return {
            "actor": self.actor,
            "critic": self._critic,
            "target_critic": self._target_critic,
            "privileged": self._privileged,
            "actor_optimiser": self._actor_optimiser,
            "critic_optimiser": self._critic_optimiser,
            "temperature_optimiser": self._temperature_optimiser,
            "observation_statistics": self._observation_statistics,
            "privileged_statistics": self._privileged_statistics,
            "return_scale": self._return_scale,
        } | ({} if self._images is None else self._images.parts)

    def _target_entropy(self) -> float | Tensor:
        """In nats; falls as the step sizes do: the finer the driving, the less noise it bears."""
        decay = self.config.learning_rate_decay_updates
        entropy = -self.config.target_entropy_scale * self.actor.action_size
        return (self._critic_optimiser.steps / decay).clamp_(min=1.0).sqrt_().mul_(entropy) if decay else entropy

    def _critic_inputs(self, critic_features: Tensor, unit_action: Tensor) -> Tensor:
        return torch.cat([critic_features, unit_action * self.config.critic_action_scale], 1)

    def _follow_privileged(self, columns: Mapping[str, Tensor]) -> None:
        if self._privileged.normalise:
            arrays = {name: column.cpu().numpy() for name, column in columns.items()}
            self._privileged_statistics.add(flatten_columns(arrays, self._privileged.names))
            self._privileged.take_statistics(self._privileged_statistics)

    def _transitions(self, batch: DeviceBatch) -> Transitions:
        features, next_features = self._features(batch.observation), self._features(batch.next_observation)
        critic_features, next_critic_features = features, next_features
        if batch.privileged:
            critic_features = torch.cat([features, self._privileged(batch.privileged)], 1)
            next_critic_features = torch.cat([next_features, self._privileged(batch.next_privileged)], 1)
        transitions = Transitions(
            features=features,
            critic_features=critic_features,
            unit_action=self.actor.shrink(batch.action),
            reward=batch.n_step_return / self._reward_unit,
            discount=batch.bootstrap_discount,
            next_features=next_features,
            next_critic_features=next_critic_features,
        )
        return transitions if self._images is None else self._images.added(transitions, batch, self.random)
