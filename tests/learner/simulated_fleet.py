"""A run in simulated time: the real balance of replay and the real demand, workers and a trainer of given speeds."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from distrib_l2r.v1 import join_pb2, status_pb2, trajectory_pb2
from learner_service.replay.samples_per_insert import SamplesPerInsert
from learner_service.worker_demand import WorkerDemand
from tests.learner.autoscaler import SYNC_SECONDS, Autoscaler

TICK_SECONDS = 0.5
BATCH_SIZE = 256
SCRAPE_SECONDS = 15
START_SECONDS = 20
"""From a worker's order to its first step."""
BUFFER_TRANSITIONS = 8 * 64
"""That a worker drives ahead while it has no credit."""


@dataclass
class SimulatedFleet:
    """A learner with workers.

    Attributes:
        replicas: workers ordered.
        worker_speed: transitions a second and worker, at a time.
        trainer_speed: updates a second that it could do, at a time.
        history: time and workers ordered, at each change.
        waited, throttled: seconds for which the trainer waited; for which workers were throttled.
    """

    replicas: int
    minimum: float
    maximum: float
    worker_speed: Callable[[float], float]
    trainer_speed: Callable[[float], float]
    autoscaler: Autoscaler | None = None
    now: float = 0.0
    waited: float = 0.0
    throttled: float = 0.0
    history: list[tuple[float, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.balance = SamplesPerInsert(
            batch_size=BATCH_SIZE,
            minimum=self.minimum,
            maximum=self.maximum,
            min_transitions=500,
            clock=lambda: self.now,
        )
        self.demand = WorkerDemand(
            samples_per_insert_min=self.minimum, samples_per_insert_max=self.maximum, clock=lambda: self.now
        )
        self._starts = [0.0] * self.replicas
        self._buffered = self._due = 0.0
        self._updates = 0
        self._scraped = 1.0

    @property
    def ready(self) -> int:
        return sum(self.now >= at for at in self._starts)

    def run(self, seconds: float) -> None:
        for tick in range(round(seconds / TICK_SECONDS)):
            self._step()
            if tick % 2 == 0:
                self.demand.observe(self._status())
            if self.now % SCRAPE_SECONDS == 0:
                self._scraped = self.demand.ratio
            # Some seconds after a scrape.
            if self.autoscaler is not None and self.now % SYNC_SECONDS == 10:
                self._order(self.autoscaler.replicas(self.now, self.replicas, self.ready, self._scraped))

    def _step(self) -> None:
        self.now += TICK_SECONDS
        driven = self._buffered + self.ready * self.worker_speed(self.now) * TICK_SECONDS
        pushed = int(min(driven, self.balance.allowance()))
        if pushed:
            self.balance.insert(pushed)
        self._buffered = min(driven - pushed, self.ready * BUFFER_TRANSITIONS)
        self._due = min(self._due, 1.0) + self.trainer_speed(self.now) * TICK_SECONDS
        ran = 0
        while ran < math.floor(self._due) and self.balance.await_update(0):
            self.balance.updated()
            ran += 1
        missed = math.floor(self._due) - ran
        self._due -= ran + missed
        self._updates += ran
        self.waited += missed / self.trainer_speed(self.now)
        self.throttled += TICK_SECONDS * (self._flow() == status_pb2.FLOW_STATE_THROTTLED)

    def _flow(self) -> int:
        return int(self.balance.flow().state)

    def _status(self) -> status_pb2.RunStatus:
        worker = status_pb2.WorkerStatus(connected=True, role=join_pb2.ROLE_COLLECT)
        return status_pb2.RunStatus(
            updates=self._updates,
            flow_state=status_pb2.FlowState.ValueType(self._flow()),
            trainer_metrics=[trajectory_pb2.Metric(name="waiting_seconds", value=self.waited)],
            workers=[worker] * self.ready,
        )

    def _order(self, replicas: int) -> None:
        if replicas != self.replicas:
            self._starts = sorted(self._starts)[:replicas]
            self._starts += [self.now + START_SECONDS] * (replicas - len(self._starts))
            self.replicas = replicas
            self.history.append((self.now, replicas))


def autoscaled(spec: dict[str, Any], **fleet: Any) -> SimulatedFleet:
    return SimulatedFleet(autoscaler=Autoscaler(spec), **fleet)
