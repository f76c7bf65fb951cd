"""The run's state as one message: what `GetRunStatus` answers and the progress file records."""

import time
from collections import deque

from distrib_l2r.v1 import status_pb2, trajectory_pb2
from learner_service.replay.flow import FlowState
from learner_service.run import Run

RATE_WINDOW_SECONDS = 5.0
"""Span over which rates are taken."""


class Rates:
    """Transitions and updates a second over the last few seconds, from samples taken about once a second."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int, int]] = deque()

    def sample(self, run: Run) -> None:
        """Notes where the counters stand."""
        training = run.training
        if training is None:
            return
        now = time.monotonic()
        self._samples.append((now, training.ring.inserted, training.trainer.updates))
        while now - self._samples[0][0] > RATE_WINDOW_SECONDS:
            self._samples.popleft()

    @property
    def per_second(self) -> tuple[float, float]:
        """Transitions and updates a second; zeros before there are two samples."""
        if len(self._samples) < 2:
            return 0.0, 0.0
        (start, transitions, updates), (end, more_transitions, more_updates) = self._samples[0], self._samples[-1]
        seconds = max(end - start, 1e-9)
        return (more_transitions - transitions) / seconds, (more_updates - updates) / seconds


def run_status(run: Run, rates: Rates) -> status_pb2.RunStatus:
    """A snapshot. Called on the server's event loop, which owns the sessions."""
    status = status_pb2.RunStatus(
        run_id=run.run_id,
        training_seconds=run.training_seconds,
        workers=[session.status() for session in run.sessions.values()],
        staleness=[
            status_pb2.StalenessBucket(max_versions_behind=bound, transitions=count)
            for bound, count in sorted(run.staleness.items())
        ],
        flow_state=status_pb2.FLOW_STATE_STARVED,
        flow_detail="no worker has brought its spaces yet: start one",
        laps_clean=run.evaluations.laps_clean,
        laps_total=run.evaluations.laps_total,
        aborted_episodes=run.aborted_episodes,
        learner_starts=run.storage.counters["starts"] if run.storage is not None else 1,
    )
    written_at = run.storage.writer.written_at if run.storage is not None else None
    if written_at is not None:
        status.checkpoint_age_seconds = time.monotonic() - written_at
    status.started_at.FromNanoseconds(round(run.started_at * 1e9))
    for name in ("best_lap", "newest_lap", "first_lap"):
        record = getattr(run.evaluations, name)
        if record is not None:
            getattr(status, name).CopyFrom(record.message())
    if run.evaluations.newest is not None:
        status.newest_evaluation.CopyFrom(run.evaluations.newest.message())
    if run.evaluations.best is not None:
        status.best_evaluation.CopyFrom(run.evaluations.best.message())
    training = run.training
    if training is not None:
        flow = training.limiter.flow()
        transitions_per_second, updates_per_second = rates.per_second
        status.transitions = training.ring.inserted
        status.transitions_in_replay = training.ring.transitions
        status.updates = training.trainer.updates
        status.policy_version = training.store.newest_version
        status.samples_per_insert = training.limiter.samples_per_insert
        status.transitions_per_second = transitions_per_second
        status.updates_per_second = updates_per_second
        status.flow_state = status_pb2.FlowState.ValueType(flow.state)
        status.flow_state_seconds = flow.since_seconds
        # Where neither side waits for the other, memory or replay may still hold workers back.
        withheld = training.in_flight.credit(evaluates=False).detail if flow.state is FlowState.HEALTHY else ""
        status.flow_detail = f"{flow.detail}; {withheld}" if withheld else flow.detail
        status.trainer_metrics.extend(
            trajectory_pb2.Metric(name=name, value=value) for name, value in training.trainer.metrics.items()
        )
        waited = training.limiter.waited_seconds
        status.trainer_metrics.append(trajectory_pb2.Metric(name="waiting_seconds", value=waited))
        if written_at is not None:
            pause = training.trainer.checkpoint_pause_seconds
            status.trainer_metrics.append(trajectory_pb2.Metric(name="checkpoint_pause_seconds", value=pause))
        if training.trainer.failure is not None:
            status.failure = f"{type(training.trainer.failure).__name__}: {training.trainer.failure}"
    return status
