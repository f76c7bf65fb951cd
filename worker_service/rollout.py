"""The rollout: drives the simulator with the newest policy and hands over what happened, chunk by chunk."""

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from distrib_l2r.tensor import Array
from distrib_l2r.trajectory import Ending, Purpose, encode_chunk
from distrib_l2r.v1 import join_pb2, trajectory_pb2
from worker_service.actor import Actor
from worker_service.chunk_builder import ChunkBuilder
from worker_service.client import Behaviour, LearnerClient
from worker_service.episode import EpisodeRecord
from worker_service.exploration import HeldNoise
from worker_service.outbox import Outbox
from worker_service.restarts import Restarts
from worker_service.simulator import Simulator, SimulatorFailedError, all_finite
from worker_service.waiting import WaitReport

MIN_STEPS_BEFORE_SWITCH: Final = 2
"""A new version waits until the old one's chunk has so many steps: a chunk of one costs as much as a long one."""
STOP_CHECK_SECONDS: Final = 0.2
"""Longest wait before the rollout looks whether it should stop."""


class Rollout:
    """One worker's driving. Runs on the thread that calls `collect` or `evaluate`."""

    def __init__(
        self,
        simulator: Simulator,
        client: LearnerClient,
        outbox: Outbox,
        restarts: Restarts,
        *,
        assignment: join_pb2.Assignment,
        chunk_length: int,
        stopping: threading.Event,
    ) -> None:
        self._simulator = simulator
        self._client = client
        self._outbox = outbox
        self._restarts = restarts
        self._assignment = assignment
        self._stopping = stopping
        evaluates = assignment.role == join_pb2.ROLE_EVALUATE
        purpose = Purpose.EVALUATION if evaluates else Purpose.TRAINING
        self._builder = ChunkBuilder(simulator.spaces, chunk_length=chunk_length, purpose=purpose)
        self._told: set[str] = set()
        self._record = EpisodeRecord(self._told)
        self._behaviour: Behaviour | None = None
        self._noise: HeldNoise | None = None
        self._seed: int | None = assignment.seed
        self._episodes_left = 0

    def collect(self) -> None:
        """Explores with the newest version until told to stop.

        Raises:
            SimulatorFailedError: the simulator failed; what it had done is handed over.
            CallExpiredError: the simulator hung, and somebody else has handed over what it had done.
            LearnerRefusedError: the learner wants nothing of this worker.
        """
        if not self._wait(lambda: self._client.behaviour is not None, "waiting for the first policy version"):
            return
        self._take_newest()
        if self._noise is None:
            self._noise = HeldNoise(
                self._actor.noise_size,
                scale=self._assignment.exploration_scale,
                hold_steps=self._assignment.exploration_hold_steps,
                seed=self._assignment.seed,
            )
        while not self._stopping.is_set():
            self._drive(self._noise)

    def evaluate(self) -> None:
        """Drives each newest version deterministically for the assigned number of episodes, until told to stop.

        An episode that failed is not driven again; `evaluate` called again goes on with the next.

        Raises:
            SimulatorFailedError: the simulator failed; what it had done is handed over.
            CallExpiredError: the simulator hung, and somebody else has handed over what it had done.
            LearnerRefusedError: the learner wants nothing of this worker.
        """
        waiting = "waiting for a version to evaluate"
        while not self._stopping.is_set():
            if self._episodes_left == 0:
                if self._behaviour is not None:
                    if not self._wait(lambda: self._client.newest_version != self._actor.policy_version, waiting):
                        return
                    self._client.refresh()
                if not self._wait(lambda: self._client.behaviour is not self._behaviour, waiting):
                    return
                self._take_newest()
                self._episodes_left = self._assignment.evaluation_episodes
            # The same starts for every version: versions are compared, not their luck.
            self._seed = self._assignment.seed + self._assignment.evaluation_episodes - self._episodes_left
            self._episodes_left -= 1
            self._drive(None)

    @property
    def policy_version(self) -> int:
        """Of the policy that drives."""
        return self._actor.policy_version

    def abort(self, reason: str) -> None:
        """Hands over the steps gathered so far, if any, as the end of an episode that failed.

        On any thread, where the rollout's own is stuck in the simulator for good.

        Raises:
            LearnerRefusedError: the learner wants nothing of this worker.
        """
        if self._builder.length:
            self._hand_over(Ending.ABORTED, abort_reason=reason)

    def _drive(self, noise: HeldNoise | None) -> None:
        """One episode, or as much of it as comes before the stop; without noise one version drives all of it."""
        actor, builder = self._actor, self._builder
        seed, self._seed = self._seed, None
        columns = self._simulator.reset(seed)
        self._record = EpisodeRecord(self._told)
        builder.begin_episode(columns, actor.policy_version)
        while not self._stopping.is_set():
            if (
                noise is not None
                and self._client.behaviour is not self._behaviour
                and builder.length >= MIN_STEPS_BEFORE_SWITCH
            ):
                self._take_newest()
                actor = self._actor
            try:
                action = self._choose(columns, noise)
                step = self._simulator.step(action)
            except SimulatorFailedError as error:
                self.abort(str(error))
                raise
            # Only now, so that an episode which fails at any step still has steps to carry the notice.
            if builder.full or builder.policy_version != actor.policy_version:
                self._hand_over(Ending.CONTINUES)
            columns = step.columns
            builder.add(action, step.reward, columns)
            self._record.add(step.info)
            if step.terminated or step.truncated:
                self._hand_over(Ending.TERMINATED if step.terminated else Ending.TRUNCATED)
                return
        if builder.length:
            self._hand_over(Ending.CONTINUES)

    def _choose(self, columns: Mapping[str, Array], noise: HeldNoise | None) -> Array:
        """An action within the bounds.

        Raises:
            SimulatorFailedError: the policy gave no number; a newer version may, after the pause that follows.
        """
        box = self._simulator.spaces.action
        chosen = self._actor.act(columns, noise.next() if noise is not None else None)
        # Rounding alone can lead past a bound, and the learner would refuse the chunk.
        action: Array = np.minimum(np.maximum(chosen.astype(box.dtype, copy=False), box.low), box.high)
        if not all_finite(action):
            raise SimulatorFailedError(f"policy version {self._actor.policy_version} chose the action {chosen}")
        return action

    def _hand_over(self, ending: Ending, *, abort_reason: str = "") -> None:
        """Seals what the builder holds and puts it into the outbox, waiting for room."""
        chunk = self._builder.seal(
            ending,
            next_policy_version=self._actor.policy_version,
            record=self._record,
            abort_reason=abort_reason,
            simulator_restarts=self._restarts.total,
        )
        self._put(encode_chunk(chunk))

    def _put(self, chunk: trajectory_pb2.TrajectoryChunk) -> None:
        report = WaitReport(
            "not stepping",
            lambda: (
                f"{len(self._outbox)} chunks ({self._outbox.size_bytes / 1e6:.2f} MB) wait to be acknowledged, "
                f"and {self._client.contact}"
            ),
        )
        # Before a stop there is no more room to come; what was driven must not be lost for that.
        while not self._outbox.put(chunk, STOP_CHECK_SECONDS, beyond_capacity=self._stopping.is_set()):
            self._client.check()
            report.tick()
        report.over("stepping again")

    def _wait(self, condition: Callable[[], bool], doing: str) -> bool:
        """Waits until `condition` holds; False when the worker is to stop."""
        report = WaitReport(doing, lambda: str(self._client.contact), logging.INFO)
        while not self._client.wait(condition, STOP_CHECK_SECONDS):
            if self._stopping.is_set():
                return False
            report.tick()
        report.over("driving")
        return not self._stopping.is_set()

    def _take_newest(self) -> None:
        behaviour = self._client.behaviour
        assert behaviour is not None, "called only once there is one"
        if self._behaviour is None or behaviour.graph.fingerprint != self._behaviour.graph.fingerprint:
            self._actor = Actor(behaviour.graph)
        self._actor.load(behaviour.policy)
        self._behaviour = behaviour
