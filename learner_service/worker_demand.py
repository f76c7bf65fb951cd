"""Whether the learner could do with more workers, or with fewer: the number that autoscalers follow."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from distrib_l2r.v1 import join_pb2, status_pb2

WINDOW_SECONDS: Final = 120.0
"""Time over which waiting is averaged: chunks of a slow simulator come in several seconds apart."""
EVIDENCE_SECONDS: Final = 60.0
"""The demand is 1 until so much of training has been seen."""
MOST: Final = 2.0
"""Workers are asked for in doublings at most: how fast a trainer that hardly ever ran could be is a guess."""
FEWEST: Final = 0.8
"""No more than a fifth is given back at a time: how fast workers that wait could be is not known."""

TOLERANCE: Final = 0.1
"""Autoscalers leave a demand alone that differs from 1 by no more than this."""


@dataclass(frozen=True)
class _Sample:
    """What one status said."""

    time: float
    trains: bool
    waited_seconds: float
    throttled: bool
    workers: int


class WorkerDemand:
    """Workers wanted over workers connected: 1 keeps them, more than 1 adds some, less than 1 takes some away.

    Starved: a trainer that was busy for the share b of the time with n workers wants n / b of them. The average over
    the window is one of n / b rather than of 1 / b, so that workers that have just been added are not asked for twice.

    Throttled: workers that wait do not show how fast they could be. One is given back, or a fifth where that is more,
    in full where they were throttled for half of the time, in proportion where for less; but never so many that those
    left could starve the trainer beyond what autoscalers tolerate. Hence the two sides never take turns: between the
    minimum and the maximum of samples per insert nobody waits, and the demand is 1.

    It is 1, too, where nothing is known: before training has begun, without workers, in the first minute.

    Threads: any may call any method.
    """

    def __init__(
        self,
        *,
        samples_per_insert_min: float,
        samples_per_insert_max: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Knows nothing yet; see `set_points`."""
        self.set_points(samples_per_insert_min, samples_per_insert_max)
        self._clock = clock
        self._lock = threading.Lock()
        self._samples: deque[_Sample] = deque()

    def set_points(self, samples_per_insert_min: float, samples_per_insert_max: float) -> None:
        """Takes the bounds of now, which satisfy 0 <= minimum < maximum."""
        self._band = samples_per_insert_min / samples_per_insert_max

    def observe(self, status: status_pb2.RunStatus) -> None:
        """Takes a status in; once a second or so."""
        waited = next((each.value for each in status.trainer_metrics if each.name == "waiting_seconds"), 0.0)
        sample = _Sample(
            time=self._clock(),
            trains=status.updates > 0,
            waited_seconds=waited,
            throttled=status.flow_state == status_pb2.FLOW_STATE_THROTTLED,
            workers=sum(1 for each in status.workers if each.connected and each.role != join_pb2.ROLE_EVALUATE),
        )
        with self._lock:
            self._samples.append(sample)
            while sample.time - self._samples[0].time > WINDOW_SECONDS:
                self._samples.popleft()

    @property
    def ratio(self) -> float:
        """Workers wanted over workers connected, between 0 and `MOST`."""
        with self._lock:
            samples = list(self._samples)
        workers = samples[-1].workers if samples else 0
        if workers == 0:
            return 1.0
        span = busy = worker_seconds = throttled = 0.0
        for seconds, waited, sample in _intervals(samples):
            span += seconds
            busy += seconds - waited
            # A trainer that did not wait may have had more workers than it wants.
            worker_seconds += seconds * (sample.workers if waited else min(sample.workers, workers))
            throttled += seconds * sample.throttled
        if span < EVIDENCE_SECONDS:
            return 1.0
        more = max(worker_seconds / max(busy, worker_seconds / (MOST * workers)) / workers, 1.0)
        fewer = 1 - min(2 * throttled / span, 1.0) * (1 - self._given_back(workers))
        return more * fewer

    def _given_back(self, workers: int) -> float:
        """What is asked for of workers that were throttled all the time, as a share of them."""
        # They bring at least what the minimum takes, so that this share of them brings what the maximum needs.
        least = self._band / (1 + TOLERANCE)
        if workers == 1 or (workers - 1) / workers < least:
            return 1.0
        # Autoscalers round up: half a worker less makes it one.
        return max(min(FEWEST, (workers - 1.5) / workers), least)


def _intervals(samples: list[_Sample]) -> Iterator[tuple[float, float, _Sample]]:
    """Seconds between neighbours, those of them for which the trainer waited, and the later neighbour.

    Those in which nothing was trained, or without workers, say nothing.
    """
    for before, after in pairwise(samples):
        if before.trains and before.workers and after.workers:
            yield after.time - before.time, max(after.waited_seconds - before.waited_seconds, 0.0), after
