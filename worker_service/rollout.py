"""The rollout: drives the environment with the newest policy and hands over what happened, chunk by chunk."""

import logging
import threading
import time
from collections.abc import Callable

from distrib_l2r.spaces import Spaces
from distrib_l2r.trajectory import Ending, Purpose, encode_chunk
from distrib_l2r.v1 import join_pb2, status_pb2, trajectory_pb2
from worker_service.actor import Actor
from worker_service.chunk_builder import ChunkBuilder
from worker_service.client import Behaviour, LearnerClient
from worker_service.environment import Environment, observation_columns
from worker_service.episode import EpisodeRecord
from worker_service.exploration import HeldNoise
from worker_service.outbox import Outbox

_logger = logging.getLogger(__name__)

MIN_STEPS_BEFORE_SWITCH = 2
"""A new version waits until the old one's chunk has so many steps: a chunk of one costs as much as a long one."""
STOP_CHECK_SECONDS = 0.2
"""Longest wait before the rollout looks whether it should stop."""
WAIT_REPORT_SECONDS = 5.0
"""Between two lines about the same wait."""


class EnvironmentFailedError(RuntimeError):
    """The simulator raised, or its numbers were not finite; the episode ended there."""


class Rollout:
    """One worker's driving. Runs on the thread that calls `collect` or `evaluate`.

    Attributes:
        environment: driven now; to be replaced, while neither runs, after it failed.
    """

    def __init__(
        self,
        environment: Environment,
        spaces: Spaces,
        client: LearnerClient,
        outbox: Outbox,
        *,
        assignment: join_pb2.Assignment,
        chunk_length: int,
        stopping: threading.Event,
    ) -> None:
        self.environment: Environment | None = environment
        self._client = client
        self._outbox = outbox
        self._assignment = assignment
        self._stopping = stopping
        evaluates = assignment.role == join_pb2.ROLE_EVALUATE
        purpose = Purpose.EVALUATION if evaluates else Purpose.TRAINING
        self._builder = ChunkBuilder(spaces, chunk_length=chunk_length, purpose=purpose)
        self._behaviour: Behaviour | None = None
        self._seed: int | None = assignment.seed

    def collect(self) -> None:
        """Explores with the newest version until told to stop.

        Raises:
            EnvironmentFailedError: the simulator failed; what it had done is handed over.
            LearnerRefusedError: the learner wants nothing of this worker.
        """
        if not self._wait(lambda: self._client.behaviour is not None, "the first policy version"):
            return
        self._take_newest()
        noise = HeldNoise(
            self._actor.noise_size,
            scale=self._assignment.exploration_scale,
            hold_steps=self._assignment.exploration_hold_steps,
            seed=self._assignment.seed,
        )
        while not self._stopping.is_set():
            self._drive(noise)

    def evaluate(self) -> None:
        """Drives each newest version deterministically for the assigned number of episodes, until told to stop.

        Raises:
            EnvironmentFailedError: the simulator failed; what it had done is handed over.
            LearnerRefusedError: the learner wants nothing of this worker.
        """
        while not self._stopping.is_set():
            if not self._wait(lambda: self._client.behaviour is not self._behaviour, "a version to evaluate"):
                return
            self._take_newest()
            for episode in range(self._assignment.evaluation_episodes):
                # The same starts for every version: versions are compared, not their luck.
                self._seed = self._assignment.seed + episode
                self._drive(None)
            if not self._wait(
                lambda: self._client.newest_version != self._actor.policy_version, "a version to evaluate"
            ):
                return
            self._client.refresh()

    def _drive(self, noise: HeldNoise | None) -> None:
        """One episode, or as much of it as comes before the stop; without noise one version drives all of it."""
        actor, builder, record = self._actor, self._builder, EpisodeRecord()
        environment = self.environment
        assert environment is not None, "whoever calls provides one"
        try:
            observation, _ = environment.reset(seed=self._seed)
        except Exception as error:
            raise EnvironmentFailedError(f"reset raised {type(error).__name__}: {error}") from error
        self._seed = None
        columns = observation_columns(observation)
        builder.begin_episode(columns, actor.policy_version)
        while not self._stopping.is_set():
            if (
                noise is not None
                and self._client.behaviour is not self._behaviour
                and builder.length >= MIN_STEPS_BEFORE_SWITCH
            ):
                self._take_newest()
                actor = self._actor
            action = actor.act(columns, noise.next() if noise is not None else None)
            try:
                observation, reward, terminated, truncated, info = environment.step(action)
            except Exception as error:
                if builder.length:
                    self._hand_over(Ending.ABORTED, record)
                raise EnvironmentFailedError(f"step raised {type(error).__name__}: {error}") from error
            # Only now, so that an episode which fails at any step still has steps to carry the notice.
            if builder.full or builder.policy_version != actor.policy_version:
                self._hand_over(Ending.CONTINUES, record)
            columns = observation_columns(observation)
            builder.add(action, float(reward), columns)
            record.add(info)
            if terminated or truncated:
                self._hand_over(Ending.TERMINATED if terminated else Ending.TRUNCATED, record)
                return
        if builder.length:
            self._hand_over(Ending.CONTINUES, record)

    def _hand_over(self, ending: Ending, record: EpisodeRecord) -> None:
        """Seals what the builder holds and puts it into the outbox, waiting for room.

        Raises:
            EnvironmentFailedError: a number in it was not finite; the steps before that were handed over.
        """
        sound_length = self._builder.sound_length()
        failed = sound_length < self._builder.length
        if sound_length > 0:
            chunk = self._builder.seal(
                Ending.ABORTED if failed else ending,
                next_policy_version=self._actor.policy_version,
                record=record,
                length=sound_length,
            )
            self._put(encode_chunk(chunk))
        if failed:
            raise EnvironmentFailedError("the environment returned a reward or an observation that is not finite")

    def _put(self, chunk: trajectory_pb2.TrajectoryChunk) -> None:
        waiting_since = reported_at = time.monotonic()
        while not self._outbox.put(chunk, STOP_CHECK_SECONDS):
            self._client.check()
            if self._stopping.is_set():
                _logger.warning("stopping with a full buffer: the newest chunk is not sent")
                return
            now = time.monotonic()
            if now - reported_at >= WAIT_REPORT_SECONDS:
                reported_at = now
                flow = status_pb2.FlowState.Name(self._client.flow_state).removeprefix("FLOW_STATE_").lower()
                reason = f"the learner is {flow}" if self._client.connected else "the learner is away"
                _logger.warning(
                    "not stepping for %.0f s: %d chunks wait, %s", now - waiting_since, len(self._outbox), reason
                )

    def _wait(self, condition: Callable[[], bool], what: str) -> bool:
        """Waits until `condition` holds; False when the worker is to stop."""
        waiting_since = reported_at = time.monotonic()
        while not self._client.wait(condition, STOP_CHECK_SECONDS):
            if self._stopping.is_set():
                return False
            now = time.monotonic()
            if now - reported_at >= WAIT_REPORT_SECONDS:
                reported_at = now
                _logger.info("waiting for %s for %.0f s", what, now - waiting_since)
        return not self._stopping.is_set()

    def _take_newest(self) -> None:
        behaviour = self._client.behaviour
        assert behaviour is not None, "called only once there is one"
        if self._behaviour is None or behaviour.graph is not self._behaviour.graph:
            self._actor = Actor(behaviour.graph)
        self._actor.load(behaviour.policy)
        self._behaviour = behaviour
