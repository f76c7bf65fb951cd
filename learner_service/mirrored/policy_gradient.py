"""The policy gradient from mirrored pairs of episodes."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from learner_service.checkpoint.state_copy import copy_state
from learner_service.mirrored.advantages import pair_advantages
from learner_service.mirrored.config import MirroredConfig
from learner_service.mirrored.cut_off_gaussian import CutOffGaussian
from learner_service.mirrored.episode_pairs import Pair
from learner_service.replay.device_batch import to_device
from learner_service.replay.sampling import Sampling
from learner_service.sac.actor import Actor
from learner_service.sac.gradients import Pass
from learner_service.sac.optimiser import Optimiser
from learner_service.sac.squashed_gaussian import raw_deviation

LARGEST_ADVANTAGE: Final = 8.0
"""In units of the spread of an iteration's advantages; only terminations are worth so much."""
MEDIAN_DEVIATION: Final = 0.6745
"""Half of all draws of a normal distribution lie within so many standard deviations: by the median of their size the
spread of advantages is measured blind to terminations."""
STRANGE_DEVIATIONS: Final = 5.0
"""Actions this far from the mean of now were driven by too old a policy and say nothing about it."""
FARTHEST: Final = 5.0
"""Times the divergence sought; an iteration that moved the policy farther is taken back: what it learned from was noise
or a crash, and the policy of before was good."""
ACTOR_DEVIATION: Final = 0.01
"""Before squashing; near the least that an actor can have. Workers multiply the noise by what is smaller yet."""
LARGEST_LOG_RATIO: Final = 5.0
"""Of likelihoods, beyond which they are not told apart."""


class MirroredPolicyGradient:
    """Improves an actor by what its own noise shows.

    SAC's actor follows a critic, and comes no nearer to the best policy than the critic's error about small differences
    between actions. Here the differences are seen: two episodes begin alike, one with the other's noise negated, and
    each action is made likelier by what it won over its mirror image (mirrored, or antithetic, sampling; of weights:
    Salimans et al. 2017, https://arxiv.org/abs/1703.03864, section 2.1). As in proximal policy optimisation (Schulman
    et al. 2017, https://arxiv.org/abs/1707.06347, equation 7), several passes are made over the steps of an iteration,
    and actions that have become likelier by the clip already are let be; the step size follows the divergence that an
    iteration brings.

    The noise is small and set from here: the actor that is published has one deviation, whatever it sees (the weights
    that make it more or less random stay zero), and workers are told a factor on the noise.

    Args:
        actor: on its device, without an encoder; its weights move into this optimiser's vector.
        config: the settings.
        seed: of the order of steps.
    """

    def __init__(self, actor: Actor, config: MirroredConfig, *, seed: int) -> None:
        self.actor = actor
        self.config = config
        self.sampling = Sampling(
            batch_size=config.mirrored_batch_size,
            discount=config.mirrored_discount,
            mirrored_noise=config.mirrored_deviation / ACTOR_DEVIATION,
            publish_period_seconds=config.mirrored_publish_period_seconds,
            # Workers never wait: where they bring more pairs than are learned from, the newest count.
            samples_per_insert=(0.0, float(config.mirrored_passes)),
        )
        network = actor.network
        self._device = actor.low.device
        self._optimiser = Optimiser(
            network.parameters(),
            learning_rate=config.mirrored_learning_rate,
            clip=config.mirrored_gradient_clip,
        )
        self._pass = Pass(network)
        self._likelihood = CutOffGaussian(actor.distribution.stretch)
        self._random = np.random.default_rng(seed)
        self._iterations = 0
        self._newest: dict[str, Tensor] = {}
        *_, weight, bias = network.parameters()
        with torch.no_grad():
            weight[:, actor.action_size :] = 0.0
            bias[actor.action_size :] = raw_deviation(ACTOR_DEVIATION)

    @torch.no_grad()
    def update(self, pairs: Sequence[Pair]) -> int:
        """One iteration: passes over the steps of these pairs; returns the number of gradient updates."""
        config = self.config
        advantages = [
            pair_advantages(
                pair,
                discount=config.mirrored_discount,
                termination_discount=config.mirrored_termination_discount,
                tail_steps=config.mirrored_tail_steps,
            )
            for pair in pairs
        ]
        advantage = np.concatenate([each.ravel() for each in advantages]) if advantages else np.empty(0, np.float32)
        if not len(advantage):
            return 0
        rows = self._rows(pairs, [each.shape[1] for each in advantages])
        action = _flat([pair.action for pair in pairs], [each.shape[1] for each in advantages])
        before = self._likelihood.before_squashing(self.actor.shrink(to_device(action, self._device)))
        then = self._mean(rows)
        strange = self._strange(before, then)
        spread = float(np.median(np.abs(advantage))) / MEDIAN_DEVIATION
        weight = to_device(advantage, self._device).div_(spread + 1e-12).clamp_(-LARGEST_ADVANTAGE, LARGEST_ADVANTAGE)
        weight[strange] = 0.0
        likelihood, _ = self._likelihood.log_likelihood(before, then, config.mirrored_deviation)
        updates, weights = 0, self._optimiser.vector.detach().clone()
        for _ in range(config.mirrored_passes):
            order = torch.from_numpy(self._random.permutation(len(advantage))).to(self._device)
            for batch in torch.split(order, config.mirrored_batch_size):
                self._update(rows[batch], before[batch], weight[batch], likelihood[batch])
                updates += 1
        moved = (self._mean(rows) - then).div_(config.mirrored_deviation)
        divergence = moved.square_().sum(1).mean() / 2
        self._follow(float(divergence), weights)
        self._newest |= {
            "divergence": divergence,
            "learning_rate": torch.tensor(self._optimiser.learning_rate),
            "advantage_spread": torch.tensor(spread),
            "strange_fraction": strange.float().mean(),
            "pairs": torch.tensor(float(len(pairs))),
            "steps": torch.tensor(float(len(advantage))),
        }
        return updates

    def _update(self, rows: Tensor, before: Tensor, weight: Tensor, then: Tensor) -> None:
        """One step up the clipped surrogate."""
        actions = self.actor.action_size
        outputs = self._pass.forward(rows)
        now, by_mean = self._likelihood.log_likelihood(before, outputs[:, :actions], self.config.mirrored_deviation)
        ratio = (now - then).clamp_(-LARGEST_LOG_RATIO, LARGEST_LOG_RATIO).exp_()
        clip = self.config.mirrored_clip
        done = torch.where(weight > 0, ratio > 1 + clip, ratio < 1 - clip)
        by_likelihood = torch.where(done, 0.0, -weight * ratio) / len(weight)
        by_outputs = torch.zeros_like(outputs)
        by_outputs[:, :actions] = by_likelihood.unsqueeze(1) * by_mean
        self._pass.backward(by_outputs, self._optimiser.gradients)
        norm = self._optimiser.step()
        self._newest |= {"actor_gradient_norm": norm, "clipped_fraction": done.float().mean()}

    def _follow(self, divergence: float, weights: Tensor) -> None:
        """Fits the step size to how far an iteration has moved the policy, and takes it back where that was too far.

        Args:
            divergence: in nats.
            weights: of before.
        """
        self._iterations += 1
        decay = min(1.0, self.config.mirrored_decay_iterations / self._iterations)
        share = divergence / (self.config.mirrored_divergence * decay)
        if not share <= FARTHEST:
            self._optimiser.vector.detach().copy_(weights)
            self._optimiser.learning_rate /= 2
        elif share > 2:
            self._optimiser.learning_rate /= 1.5
        elif share < 0.5:
            self._optimiser.learning_rate *= 1.1

    def _rows(self, pairs: Sequence[Pair], steps: Sequence[int]) -> Tensor:
        """What the network sees, float32 [N, features]."""
        columns = {
            name: to_device(_flat([pair.observation[name] for pair in pairs], steps), self._device)
            for name in pairs[0].observation
        }
        return self.actor.rows(columns)

    def _mean(self, rows: Tensor) -> Tensor:
        """Before squashing, float32 [N, actions]."""
        mean: Tensor = self.actor.network(rows)[:, : self.actor.action_size]
        return mean

    def _strange(self, before: Tensor, mean: Tensor) -> Tensor:
        far = (before - mean).abs() > STRANGE_DEVIATIONS * self.config.mirrored_deviation
        return (far & (self._likelihood.cut_off(before) == 0)).any(1)

    def metrics(self) -> dict[str, float]:
        """Newest figures.

        Returns:
            actor_gradient_norm: Euclidean, before clipping, of the newest update.
            clipped_fraction: of its steps, which the clip kept from moving further.
            divergence: of the policy after the newest iteration from that before it, in nats.
            learning_rate: Adam's step size of the iteration to come.
            advantage_spread: of the iteration's advantages, in units of reward; see MEDIAN_DEVIATION.
            strange_fraction: of the steps, driven by policies too old to learn from.
            pairs, steps: in the iteration.
        """
        return {name: float(tensor) for name, tensor in self._newest.items()}

    def state_dict(self) -> dict[str, Any]:
        """A copy of everything but the actor, whose state is its owner's."""
        state: dict[str, Any] = copy_state(
            {
                "optimiser": self._optimiser.state_dict(),
                "learning_rate": self._optimiser.learning_rate,
                "iterations": self._iterations,
                "random": self._random.bit_generator.state,
            }
        )
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes up a state; the actor must have taken up its own."""
        self._optimiser.load_state_dict(state["optimiser"])
        self._optimiser.learning_rate, self._iterations = state["learning_rate"], state["iterations"]
        self._random.bit_generator.state = state["random"]


def _flat(arrays: Sequence[np.ndarray[Any, Any]], steps: Sequence[int]) -> np.ndarray[Any, Any]:
    """The first steps of each pair, [2, T, ...], one after the other, in the order of their advantages: [N, ...]."""
    return np.concatenate(
        [array[:, :count].reshape(2 * count, *array.shape[2:]) for array, count in zip(arrays, steps, strict=True)]
    )
