"""The trainer: a thread that samples, updates and publishes."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from learner_service.actor_export import actor_weights
from learner_service.policy import Policy
from learner_service.policy_store import PolicyStore
from learner_service.replay.sampler import Sampler
from learner_service.replay.samples_per_insert import SamplesPerInsert
from learner_service.replay.sampling import Sampling

_logger = logging.getLogger(__name__)

CALIBRATION_PERIOD_UPDATES = 250
"""Updates between two looks at replay's statistics."""
CALIBRATION_ROWS = 1024
"""Transitions looked at."""
CALIBRATION_HORIZON_STEPS = 400
"""Rewards summed after each."""
METRICS_PERIOD_SECONDS = 1.0
"""Time between two readings of the policy's figures, each of which waits for the device."""
CHECKPOINT_RETRY_SECONDS = 1.0
"""Wait for a disk that still writes the checkpoint before."""
STOP_CHECK_SECONDS = 0.2
"""Longest wait for data before the trainer looks whether it should stop."""


class Updates(Protocol):
    """Makes updates of a policy, some at a time."""

    samples_replay: bool
    """Whether they are made from samples of replay, whose statistics the policy then follows."""

    def ready(self) -> bool:
        """Whether there is what `run` needs beyond transitions in replay."""

    def run(self) -> int:
        """Makes updates from what replay holds; returns how many."""


class SampledUpdates:
    """One update at a time, from a batch sampled here."""

    samples_replay = True

    def __init__(self, policy: Policy, sampler: Sampler) -> None:
        self._policy = policy
        self._sampler = sampler

    def ready(self) -> bool:
        """Always."""
        return True

    def run(self) -> int:
        """Makes one update."""
        self._policy.update(self._sampler.sample())
        return 1


class Trainer:
    """Owns the policy while it runs; nobody else touches it."""

    def __init__(
        self,
        policy: Policy,
        sampler: Sampler,
        limiter: SamplesPerInsert,
        store: PolicyStore,
        *,
        publish_period_seconds: float,
        updates_for: Callable[[Sampling], Updates] | None = None,
        checkpoint_period_seconds: float = float("inf"),
    ) -> None:
        self._policy = policy
        self._sampler = sampler
        self._sampling = policy.sampling
        self._updates_for = updates_for or (lambda sampling: SampledUpdates(policy, sampler))
        self._updates = self._updates_for(policy.sampling)
        self._limiter = limiter
        self._store = store
        self._publish_period_seconds = publish_period_seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="trainer", daemon=True)
        self._checkpoint_period_seconds = checkpoint_period_seconds
        self._published_updates = 0
        self._checkpoint_updates = 0
        self._published_at = self._metrics_at = self._checkpoint_at = time.monotonic()
        self.updates = 0
        self.metrics: Mapping[str, float] = {}
        self.failure: BaseException | None = None
        self.on_failure: Callable[[], None] = lambda: None
        self.checkpoint: Callable[[], bool] = lambda: True
        """Hands a checkpoint over; False where the one before is still being written."""
        self.checkpoint_pause_seconds = 0.0
        """For which training stood still for the newest checkpoint."""

    def start(self) -> None:
        """Starts the thread; `updates` may have been set to go on from."""
        self._published_updates = self._checkpoint_updates = self.updates
        self._thread.start()

    def publish(self) -> None:
        """Publishes the policy as it is. Called before `start`, and by the trainer's thread."""
        self._store.publish(
            actor_weights(self._policy.actor),
            training_step=self.updates,
            mirrored_noise=self._policy.sampling.mirrored_noise,
        )

    def stop(self, timeout_seconds: float) -> None:
        """Ends the thread after the update under way.

        Raises:
            TimeoutError: it did not end in time.
        """
        self._stopping.set()
        self._limiter.close()
        self._thread.join(timeout_seconds)
        if self._thread.is_alive():
            raise TimeoutError(f"the trainer did not end within {timeout_seconds} s; an update hangs")

    def _run(self) -> None:
        try:
            self._train()
        # Whatever ends training must reach the process's owner: the node reports it and exits.
        except BaseException as failure:
            self.failure = failure
            _logger.exception("the trainer died")
            self.on_failure()

    def _train(self) -> None:
        made = 1
        while not self._stopping.is_set():
            if self._policy.sampling != self._sampling:
                self._follow_sampling()
            if self._limiter.await_update(STOP_CHECK_SECONDS, self._updates.ready):
                # Due within the updates made last, however many they were.
                if self._updates.samples_replay and self.updates % CALIBRATION_PERIOD_UPDATES < made:
                    self._calibrate()
                    if self._policy.sampling != self._sampling:
                        # Calibrated already.
                        made = 0
                        continue
                made = self._updates.run()
                self.updates += made
                self._limiter.updated(made)
            # Also while starved: the last updates before the wait should not wait with it.
            if self.updates > min(self._published_updates, self._checkpoint_updates):
                self._report()

    def _follow_sampling(self) -> None:
        """Goes over to what the policy wants from now on."""
        self._sampling = sampling = self._policy.sampling
        self._limiter.change(batch_size=sampling.batch_size, bounds=sampling.samples_per_insert)
        self._updates = self._updates_for(sampling)

    def _report(self) -> None:
        """Publishes and reads figures, each when it is due."""
        now = time.monotonic()
        if now - self._metrics_at >= METRICS_PERIOD_SECONDS:
            self.metrics = self._policy.metrics()
            self._metrics_at = now
        period = self._sampling.publish_period_seconds
        period = self._publish_period_seconds if period is None else period
        if now - self._published_at >= period and self.updates > self._published_updates:
            self.publish()
            self._published_updates = self.updates
            self._published_at = now
        if now - self._checkpoint_at >= self._checkpoint_period_seconds and self.updates > self._checkpoint_updates:
            self._keep(now)

    def _keep(self, now: float) -> None:
        """Takes a checkpoint, or tries again a second later where the disk is not done with the last."""
        if self.checkpoint():
            self._checkpoint_updates, self._checkpoint_at = self.updates, now
            self.checkpoint_pause_seconds = time.monotonic() - now
        else:
            self._checkpoint_at = now - self._checkpoint_period_seconds + CHECKPOINT_RETRY_SECONDS

    def _calibrate(self) -> None:
        observation, discounted_return = self._sampler.discounted_returns(CALIBRATION_ROWS, CALIBRATION_HORIZON_STEPS)
        self._policy.calibrate(observation, discounted_return)
