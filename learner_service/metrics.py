"""The run's state as Prometheus metrics, read off the message that `GetRunStatus` answers with."""

import os
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from typing import Final

from prometheus_client import Metric, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.registry import Collector

from distrib_l2r.v1 import join_pb2, status_pb2
from learner_service.run import Run
from learner_service.worker_demand import WorkerDemand

STATES: Final = {
    "healthy": status_pb2.FLOW_STATE_HEALTHY,
    "starved": status_pb2.FLOW_STATE_STARVED,
    "throttled": status_pb2.FLOW_STATE_THROTTLED,
}
STALENESS_BOUNDS: Final = (0, *(1 << power for power in range(11)))
"""Bars of the histogram, the run's own up to 1024 versions."""
OF_THEIR_OWN: Final = frozenset({"waiting_seconds", "checkpoint_pause_seconds"})
"""Figures of the trainer that have a metric of their own."""


class LearnerMetrics(Collector):
    """All metrics of a learner.

    Each sample carries the run's name: a learner process is one run, and what scrapes it may know no more of it than
    its address. Metrics of what has not happened yet, such as a first lap, are left out.
    """

    def __init__(self, run: Run, status: Callable[[], status_pb2.RunStatus], demand: WorkerDemand) -> None:
        """Metrics of `run`, whose `status` is taken anew for each scrape."""
        self._run = run
        self._status = status
        self._demand = demand
        self._process = ProcessCollector(registry=None)

    def collect(self) -> Iterator[Metric]:
        """All families, their samples labelled with the run.

        Raises:
            TimeoutError: the server has not told the run's state in time.
        """
        status = self._status()
        families = (
            *self._about_learner(status),
            *self._about_flow(status),
            *self._about_workers(status),
            *_about_evaluation(status),
            *self._about_volumes(),
            *self._process.collect(),
        )
        for family in families:
            family.samples = [
                sample._replace(labels={"run": status.run_id, **sample.labels}) for sample in family.samples
            ]
            yield family

    def _about_learner(self, status: status_pb2.RunStatus) -> Iterator[Metric]:
        config = self._run.config
        about = {"version": version("distributed-l2r"), "environment": config.environment.env}
        yield InfoMetricFamily("l2r_learner", "The learner's release and the run's environment.", about)
        yield _counter("l2r_learner_starts", "Learner processes of this run so far.", status.learner_starts)
        yield _counter(
            "l2r_training_seconds", "Since the first transition, without pauses between.", status.training_seconds
        )
        yield _counter("l2r_updates", "Gradient updates.", status.updates)
        yield _gauge("l2r_policy_version", "Newest published version.", status.policy_version)
        yield _gauge("l2r_trainer_failed", "1 where training has ended by an error.", bool(status.failure))
        figures = {metric.name: metric.value for metric in status.trainer_metrics}
        yield _gauges(
            "l2r_trainer_metric",
            "Figures of the newest update, such as losses.",
            "name",
            {name: value for name, value in figures.items() if name not in OF_THEIR_OWN},
        )
        if "waiting_seconds" in figures:
            yield _counter(
                "l2r_trainer_waiting_seconds", "Trainer's waiting for transitions.", figures["waiting_seconds"]
            )
        if status.HasField("checkpoint_age_seconds"):
            yield _gauge(
                "l2r_checkpoint_age_seconds", "Since the newest checkpoint was complete.", status.checkpoint_age_seconds
            )
            yield _gauge(
                "l2r_checkpoint_pause_seconds",
                "Standstill of training for the newest checkpoint.",
                figures.get("checkpoint_pause_seconds", 0.0),
            )
        yield _gauge(
            "l2r_checkpoint_period_seconds", "Between checkpoints, as set.", config.storage.checkpoint_period_seconds
        )

    def _about_flow(self, status: status_pb2.RunStatus) -> Iterator[Metric]:
        flow = self._run.config.flow
        yield _counter("l2r_transitions", "Training transitions committed.", status.transitions)
        yield _gauge("l2r_replay_transitions", "Transitions that replay holds.", status.transitions_in_replay)
        yield _gauge("l2r_replay_capacity_rows", "Rows of replay: transitions, and one a chunk.", flow.replay_capacity)
        yield _gauge("l2r_samples_per_insert", "Samples drawn over transitions inserted.", status.samples_per_insert)
        training = self._run.training
        least, most = (
            training.limiter.bounds if training else (flow.samples_per_insert_min, flow.samples_per_insert_max)
        )
        yield _gauge("l2r_samples_per_insert_min", "Below it workers are throttled.", least)
        yield _gauge("l2r_samples_per_insert_max", "At it the trainer waits.", most)
        yield _gauges(
            "l2r_flow_state",
            "1 for the state that holds: starved, the trainer waits; throttled, workers wait.",
            "state",
            {name: float(status.flow_state == state) for name, state in STATES.items()},
        )
        yield _gauge("l2r_flow_state_seconds", "Since when the state holds.", status.flow_state_seconds)
        yield _gauge(
            "l2r_worker_demand_ratio",
            "Workers wanted over workers connected: above 1 the trainer starves, below 1 workers are throttled.",
            self._demand.ratio,
        )
        yield _staleness(status)

    def _about_workers(self, status: status_pb2.RunStatus) -> Iterator[Metric]:
        connected = [worker for worker in status.workers if worker.connected]
        evaluators = sum(worker.role == join_pb2.ROLE_EVALUATE for worker in connected)
        yield _gauges(
            "l2r_workers_connected",
            "Workers whose stream is open.",
            "role",
            {"collect": len(connected) - evaluators, "evaluate": evaluators},
        )
        waiting = [worker.waiting_seconds for worker in connected if worker.waiting_seconds > 0]
        yield _gauge("l2r_workers_throttled", "Connected workers without credit.", len(waiting))
        yield _gauge("l2r_worker_longest_wait_seconds", "Of those without credit.", max(waiting, default=0.0))
        yield _gauge("l2r_sessions", "Worker processes that the learner remembers.", len(status.workers))
        yield _counter(
            "l2r_chunks_acknowledged", "Chunks committed.", sum(worker.committed_sequence for worker in status.workers)
        )
        yield _counter("l2r_episodes", "Episodes ended.", sum(worker.episodes for worker in status.workers))
        yield _counter("l2r_episodes_aborted", "Episodes ended by a failure of the simulator.", status.aborted_episodes)
        yield _counter(
            "l2r_simulator_restarts",
            "Simulators made anew.",
            sum(worker.simulator_restarts for worker in status.workers),
        )
        granted = sum(worker.credit for worker in connected)
        yield _gauge("l2r_chunks_granted", "Chunks that workers may have in flight.", granted)
        training = self._run.training
        yield _gauge(
            "l2r_in_flight_bytes",
            "Bytes that these chunks may take.",
            granted * training.in_flight.chunk_bytes if training is not None else 0,
        )
        yield _gauge(
            "l2r_in_flight_max_bytes", "Most that may be in flight.", self._run.config.flow.max_in_flight_bytes
        )

    def _about_volumes(self) -> Iterator[Metric]:
        config = self._run.config
        folders = {"run": config.run_dir, "replay": config.storage.replay_dir}
        size, free = {}, {}
        for name, folder in folders.items():
            if folder is not None:
                volume = os.statvfs(folder)
                size[name] = volume.f_blocks * volume.f_frsize
                free[name] = volume.f_bavail * volume.f_frsize
        yield _gauges("l2r_volume_size_bytes", "Size of the volume with the run's files.", "volume", size)
        yield _gauges("l2r_volume_free_bytes", "Room left on it.", "volume", free)


def _about_evaluation(status: status_pb2.RunStatus) -> Iterator[Metric]:
    yield _counter("l2r_evaluation_laps", "Evaluation laps begun and ended.", status.laps_total)
    yield _counter("l2r_evaluation_laps_clean", "Evaluation laps completed.", status.laps_clean)
    laps = {"best": status.best_lap, "newest": status.newest_lap}
    driven = {name: record.lap.time_seconds for name, record in laps.items() if record.HasField("lap")}
    yield _gauges("l2r_lap_seconds", "Evaluation laps.", "lap", driven)
    evaluations = {
        name: getattr(status, f"{name}_evaluation")
        for name in ("best", "newest")
        if status.HasField(f"{name}_evaluation")  # type: ignore[arg-type]
    }
    for metric, about, field in (
        ("l2r_evaluation_return", "Mean return of the version's evaluation.", "mean_return"),
        ("l2r_evaluation_median_lap_seconds", "Median of its complete laps.", "median_lap_seconds"),
        ("l2r_evaluation_clean_fraction", "Laps completed over laps begun.", "clean_fraction"),
        ("l2r_evaluation_policy_version", "The version.", "policy_version"),
    ):
        given = {
            name: float(getattr(evaluation, field))
            for name, evaluation in evaluations.items()
            if field in ("mean_return", "policy_version") or evaluation.HasField(field)
        }
        yield _gauges(metric, about, "evaluation", given)


def _staleness(status: status_pb2.RunStatus) -> Metric:
    counts = {bucket.max_versions_behind: bucket.transitions for bucket in status.staleness}
    total = sum(counts.values())
    bars = [
        (str(float(bound)), sum(count for most, count in counts.items() if most <= bound)) for bound in STALENESS_BOUNDS
    ]
    family = HistogramMetricFamily(
        "l2r_staleness_versions", "Transitions by how many versions their acting version was behind at commit."
    )
    family.add_metric([], [*bars, ("+Inf", total)], sum_value=None)
    return family


def _counter(name: str, about: str, value: float) -> Metric:
    return CounterMetricFamily(name, about, value)


def _gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(name, about, value)


def _gauges(name: str, about: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, about, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
