"""What exists once a run's spaces are known."""

import time
from collections.abc import Callable
from typing import Final

from learner_service.config import LearnerConfig
from learner_service.credit import InFlightLimit
from learner_service.kept_graph import policy_graph
from learner_service.mirrored.episode_pairs import EpisodePairs
from learner_service.mirrored.mirrored_updates import MirroredUpdates
from learner_service.policy import Policy
from learner_service.policy_store import PolicyStore
from learner_service.replay.ring import ReplayRing
from learner_service.replay.sampler import Sampler
from learner_service.replay.samples_per_insert import SamplesPerInsert
from learner_service.replay.sampling import Sampling
from learner_service.sac.captured_updates import captured_updates
from learner_service.sac_then_mirrored import SACThenMirrored
from learner_service.storage import Storage
from learner_service.trainer import SampledUpdates, Trainer, Updates

SURPLUS: Final = 1.5
"""Samples per insert over their minimum, below which workers could bring more than SAC takes."""
PLENTY_PER_SECOND: Final = 1000.0
"""Transitions that are enough for mirrored pairs, whatever SAC takes: ten pairs of a hundred seconds in 20 s."""


class Training:
    """Policy, replay, the balance between them, published versions, and the trainer that uses them all.

    Raises:
        OSError: replay's files cannot be made.
        ValueError: those that are there do not fit.
    """

    def __init__(
        self,
        policy: Policy,
        config: LearnerConfig,
        *,
        storage: Storage | None = None,
        on_flow_change: Callable[[], None] = lambda: None,
    ) -> None:
        self.spaces = policy.spaces
        self.policy = policy
        sampling = policy.sampling
        capacity = config.flow.replay_capacity
        files = storage.make_replay(policy.spaces, capacity) if storage is not None else None
        self.ring = ReplayRing(policy.spaces, capacity=capacity, files=files)
        self.sampler = Sampler(self.ring, sampling, seed=config.seed)
        self.limiter = SamplesPerInsert(
            batch_size=sampling.batch_size,
            minimum=config.flow.samples_per_insert_min,
            maximum=config.flow.samples_per_insert_max,
            min_transitions=max(config.flow.min_transitions, sampling.batch_size),
        )
        self.limiter.load_state_dict({"inserted": self.ring.inserted, "updates": 0})
        self.limiter.on_change = on_flow_change
        self.in_flight = InFlightLimit(
            self.limiter,
            policy.spaces,
            chunk_length=config.flow.chunk_length,
            max_in_flight_chunks=config.flow.max_in_flight_chunks,
            replay_capacity=capacity,
            max_in_flight_bytes=config.flow.max_in_flight_bytes,
        )
        self.pairs = EpisodePairs(config.mirrored.mirrored_pairs)
        self._began, self._inserted_before = time.monotonic(), self.ring.inserted
        if isinstance(policy, SACThenMirrored):
            policy.enough_data = self._enough_for_pairs
        graph = policy_graph(policy.actor, policy.spaces, storage.graph if storage is not None else None)
        self.store = (
            PolicyStore(graph)
            if storage is None
            else PolicyStore(
                graph,
                first_version=storage.counters["policy_version"] + 1,
                before_publish=storage.take_version,
            )
        )
        self.trainer = Trainer(
            policy,
            self.sampler,
            self.limiter,
            self.store,
            updates_for=self._updates_for,
            publish_period_seconds=config.flow.publish_period_seconds,
            checkpoint_period_seconds=config.storage.checkpoint_period_seconds,
        )

    def _enough_for_pairs(self) -> bool:
        """Whether workers wait for the trainer, or bring plenty as it is."""
        minimum, _ = self.limiter.bounds
        per_second = (self.ring.inserted - self._inserted_before) / (time.monotonic() - self._began)
        return self.limiter.samples_per_insert <= SURPLUS * minimum or per_second >= PLENTY_PER_SECOND

    def _updates_for(self, sampling: Sampling) -> Updates:
        """Makes the updates of a policy that wants this."""
        policy = self.policy
        if isinstance(policy, SACThenMirrored):
            if policy.mirrored is not None:
                return MirroredUpdates(policy.mirrored, self.pairs)
            policy = policy.sac
        return captured_updates(policy, self.ring) or SampledUpdates(self.policy, self.sampler)
