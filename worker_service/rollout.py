"""The rollout: drives simulators with the newest policy and hands over what happened, chunk by chunk."""

import itertools
import logging
import threading
from collections.abc import Callable, Sequence
from operator import le
from typing import Final

import numpy as np

from distrib_l2r.tensor import Array
from distrib_l2r.trajectory import Purpose, TrajectoryChunk, encode_chunk
from distrib_l2r.v1 import join_pb2
from worker_service.actor import Actor
from worker_service.client import Behaviour, LearnerClient
from worker_service.exploration import HeldNoise
from worker_service.outbox import Outbox
from worker_service.restarts import Restarts
from worker_service.simulator import Simulator, SimulatorFailedError, all_finite
from worker_service.slot import Slot
from worker_service.waiting import WaitReport

MIN_STEPS_BEFORE_SWITCH: Final = 2
"""A new version waits until the old one's chunks have so many steps: a chunk of one costs as much as a long one."""
MOST_ROUNDS_IN_PAIR: Final = 20_000
"""A mirrored pair holds a new version off for no more steps: an environment whose episodes never end has no pairs."""
STOP_CHECK_SECONDS: Final = 0.2
"""Longest wait before the rollout looks whether it should stop."""


class Rollout:
    """One worker's driving. Runs on the thread that calls `collect` or `evaluate`.

    Args:
        simulators: one or more in the same spaces, stepped in turn; one act chooses the actions of all.
    """

    def __init__(
        self,
        simulators: Sequence[Simulator],
        client: LearnerClient,
        outbox: Outbox,
        restarts: Restarts,
        *,
        assignment: join_pb2.Assignment,
        chunk_length: int,
        stopping: threading.Event,
    ) -> None:
        self._client = client
        self._outbox = outbox
        self._assignment = assignment
        self._stopping = stopping
        self._spaces = simulators[0].spaces
        evaluates = assignment.role == join_pb2.ROLE_EVALUATE
        episode_ids, told = itertools.count(1), set[str]()
        self._slots = [
            Slot(
                simulator,
                restarts,
                self._hand_over,
                purpose=Purpose.EVALUATION if evaluates else Purpose.TRAINING,
                chunk_length=chunk_length,
                episode_ids=episode_ids,
                told=told,
            )
            for simulator in simulators
        ]
        self._active = self._slots[0]
        self._most_rounds_before_switch = chunk_length
        self._rounds_outdated = 0
        self._mirrored_noise = 0.0
        self._behaviour: Behaviour | None = None
        # Of all numbers that one act chooses.
        self._low = self._spaces.action.low.ravel().tolist() * len(simulators)
        self._high = self._spaces.action.high.ravel().tolist() * len(simulators)

    def collect(self) -> None:
        """Explores with the newest version until told to stop.

        Raises:
            CallExpiredError: a simulator hung, and somebody else has handed over what was done.
            LearnerRefusedError: the learner wants nothing of this worker.
        """
        if not self._wait(lambda: self._client.behaviour is not None, "waiting for the first policy version"):
            return
        self._take_newest()
        assignment = self._assignment
        # Seeds of two workers lie far apart: the numbers after a worker's own are its own as well.
        seeds: list[int | None] = [assignment.seed + row for row in range(len(self._slots))]
        for row, slot in enumerate(self._slots):
            slot.noise = HeldNoise(
                self._actor.noise_size,
                scale=assignment.exploration_scale,
                hold_steps=assignment.exploration_hold_steps,
                seed=assignment.seed + row,
            )
            slot.begin_pairs(assignment.seed + row)
        while not self._stopping.is_set():
            if self._switch_due():
                self._take_newest()
            if self._begin(seeds):
                self._drive()
            else:
                self._stopping.wait(min(slot.rest_seconds for slot in self._slots))
        self._leave()

    def evaluate(self) -> None:
        """Drives each newest version deterministically for the assigned number of episodes, until told to stop.

        In the first environment alone: rows of a batch round differently, and laps should come out the same when the
        policy is driven again. An episode that failed is not driven again.

        Raises:
            CallExpiredError: the simulator hung, and somebody else has handed over what it had done.
            LearnerRefusedError: the learner wants nothing of this worker.
        """
        waiting = "waiting for a version to evaluate"
        slot = self._slots[0]
        while not self._stopping.is_set():
            if self._behaviour is not None:
                if not self._wait(lambda: self._client.newest_version != self._actor.policy_version, waiting):
                    return
                self._client.refresh()
            if not self._wait(lambda: self._client.behaviour is not self._behaviour, waiting):
                return
            self._take_newest()
            # The same starts for every version: versions are compared, not their luck.
            for number in range(self._assignment.evaluation_episodes):
                self._stopping.wait(slot.rest_seconds)
                if self._stopping.is_set() or not slot.begin(
                    self._assignment.seed + number, self._actor.policy_version
                ):
                    continue
                self._drive(switches=False)
        self._leave()

    @property
    def policy_version(self) -> int:
        """Of the policy that drives."""
        return self._actor.policy_version

    def abort(self, reason: str) -> None:
        """Hands over the steps gathered so far: those of the environment in use as an episode that failed.

        On any thread, where the rollout's own is stuck in the simulator for good.

        Raises:
            LearnerRefusedError: the learner wants nothing of this worker.
        """
        self._active.leave(reason)
        self._leave()

    def close(self) -> None:
        """Closes the environments.

        Raises:
            CallExpiredError: one hung, and somebody else has taken over.
        """
        for slot in self._slots:
            self._active = slot
            slot.close()

    def _begin(self, seeds: list[int | None]) -> bool:
        """Begins episodes where none is under way and no environment rests; whether any is under way then.

        Args:
            seeds: of the episodes to come, a row each; None goes on with the random numbers of the one before.
        """
        for row, slot in enumerate(self._slots):
            if not slot.driving and not slot.rest_seconds and not self._stopping.is_set():
                self._active = slot
                if self._mirrored_noise:
                    slot.begin_of_pair(self._mirrored_noise, self._actor.policy_version)
                elif slot.begin(seeds[row], self._actor.policy_version):
                    seeds[row] = None
        return any(slot.driving for slot in self._slots)

    def _drive(self, *, switches: bool = True) -> None:
        """Steps every environment with an episode under way until one needs attention: see `_begin`, `_switch_due`.

        Args:
            switches: whether a newer version ends this as well.
        """
        actor, client, behaviour, stopped = self._actor, self._client, self._behaviour, self._stopping.is_set
        noise_input, version = actor.noise, actor.policy_version
        chosen, chosen_rows = actor.action.ravel(), [actor.action[row, ...] for row in range(len(self._slots))]
        typed = actor.action.dtype == self._spaces.action.dtype
        driving = [(row, slot, actor.rows[row]) for row, slot in enumerate(self._slots) if slot.driving]
        all_driving = len(driving) == len(self._slots) or not switches
        while True:
            for row, slot, inputs in driving:
                columns = slot.columns
                for name, input_row in inputs:
                    input_row[...] = columns[name]
                noise = slot.noise
                if noise is not None and noise.advance():
                    noise_input[row] = noise.values
            actor.run()
            usable = typed and self._within_bounds(chosen.tolist())
            actions = chosen_rows if usable else self._bounded(actor.action)
            for row, slot, _ in driving:
                if stopped():
                    return
                self._active = slot
                action = actions[row]
                if usable or all_finite(action):
                    slot.step(action, version)
                else:
                    # A newer version may choose a number, after the pause that follows.
                    chose = f"policy version {version} chose the action {chosen_rows[row]}"
                    slot.fail(SimulatorFailedError(chose))
                all_driving = all_driving and slot.driving
            if not all_driving or (switches and client.behaviour is not behaviour and self._switch_due()):
                return

    def _within_bounds(self, numbers: list[float]) -> bool:
        """Whether all actions are; NaN is not. For a few numbers the quickest."""
        return all(map(le, self._low, numbers)) and all(map(le, numbers, self._high))

    def _bounded(self, chosen: Array) -> Array:
        """Actions moved within the bounds, which rounding alone can lead past: the learner would refuse the chunk."""
        box = self._spaces.action
        # Twice: rounding to the bounds' type may lead past them as well.
        for _ in range(2):
            chosen = np.minimum(np.maximum(chosen, box.low), box.high).astype(box.dtype)
        return chosen

    def _leave(self) -> None:
        for slot in self._slots:
            slot.leave()

    def _hand_over(self, chunk: TrajectoryChunk) -> None:
        """Puts a chunk into the outbox, waiting for room."""
        message = encode_chunk(chunk)
        if self._outbox.put(message, 0):
            return
        report = WaitReport(
            "not stepping",
            lambda: (
                f"{len(self._outbox)} chunks ({self._outbox.size_bytes / 1e6:.2f} MB) wait to be acknowledged, "
                f"and {self._client.contact}"
            ),
        )
        # Before a stop there is no more room to come; what was driven must not be lost for that.
        while not self._outbox.put(message, STOP_CHECK_SECONDS, beyond_capacity=self._stopping.is_set()):
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

    def _switch_due(self) -> bool:
        """Whether to take up a newer version now: where chunks are long enough, and in the end in any case."""
        if self._client.behaviour is self._behaviour:
            return False
        self._rounds_outdated += 1
        if self._mirrored_noise and len(self._slots) == 1:
            # What happens to both of a pair must not differ by more than the noise; of several environments, one act
            # chooses for all, and some pair is always under way.
            return not self._slots[0].in_pair or self._rounds_outdated > MOST_ROUNDS_IN_PAIR
        # Chunks of many environments may never all be long enough at once.
        return self._rounds_outdated > self._most_rounds_before_switch or all(
            slot.length >= MIN_STEPS_BEFORE_SWITCH for slot in self._slots if slot.driving
        )

    def _take_newest(self) -> None:
        behaviour = self._client.behaviour
        assert behaviour is not None, "called only once there is one"
        if self._behaviour is None or behaviour.graph.fingerprint != self._behaviour.graph.fingerprint:
            self._actor = self._make_actor(behaviour)
        self._actor.load(behaviour.policy)
        self._behaviour = behaviour
        self._mirrored_noise = behaviour.policy.mirrored_noise
        self._rounds_outdated = 0

    def _make_actor(self, behaviour: Behaviour) -> Actor:
        actor = Actor(behaviour.graph, self._spaces, len(self._slots))
        for row, slot in enumerate(self._slots):
            if slot.noise is not None:
                actor.noise[row] = slot.noise.values
        return actor
