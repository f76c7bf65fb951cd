"""The learner as one object: server, trainer and files, started, watched and stopped together."""

import json
import logging
import os
import signal
import threading
import time
from contextlib import ExitStack
from types import FrameType, TracebackType
from typing import Self

import torch

from distrib_l2r.v1 import status_pb2
from learner_service.config import LearnerConfig
from learner_service.metrics import LearnerMetrics
from learner_service.metrics_server import MetricsServer
from learner_service.policy import Policy
from learner_service.replace_file import replace_file
from learner_service.run import Run
from learner_service.run_directory import RunDirectory
from learner_service.server import LearnerServer
from learner_service.worker_demand import WorkerDemand

_logger = logging.getLogger(__name__)

WATCH_PERIOD_SECONDS = 1.0
RECORD_PERIOD_SECONDS = 5.0
TRAINER_STOP_SECONDS = 10.0
WRITER_IDLE_SECONDS = 5.0
"""For a checkpoint under way, before the last one."""
STOP_DEADLINE_SECONDS = 35.0
"""From SIGTERM to the end of the process, whatever hangs; a little more than all its steps may take."""


class TrainingFailedError(RuntimeError):
    """The trainer thread died; the cause is chained."""


class AsyncLearningNode:
    """A learner.

    `AsyncLearningNode().serve_forever()` serves with the defaults; `policy` brings an algorithm of one's own, whose
    spaces become the run's. Without one, SAC is built in the spaces of the first worker.
    """

    def __init__(self, policy: Policy | None = None, config: LearnerConfig | None = None) -> None:
        self.config = config or LearnerConfig()
        torch.set_num_threads(self.config.torch_threads)
        self.run = Run(self.config, policy)
        self._server = LearnerServer(self.run, self.config.transport)
        self._demand = WorkerDemand(
            samples_per_insert_min=self.config.flow.samples_per_insert_min,
            samples_per_insert_max=self.config.flow.samples_per_insert_max,
        )
        self._metrics: MetricsServer | None = None
        self._directory = RunDirectory(self.config.run_dir, self.run) if self.config.run_dir else None
        self._stopping = threading.Event()
        self._stop_deadline = threading.Timer(STOP_DEADLINE_SECONDS, self._give_up)
        self._stop_deadline.name = "stop-deadline"
        self._stop_deadline.daemon = True
        self.address = ""
        self.metrics_address = ""

    def start(self) -> str:
        """Begins to serve and returns HOST:PORT.

        Raises:
            OSError: an address cannot be bound.
        """
        wanted = self.config.transport.metrics_address
        with ExitStack() as undo:
            if wanted:
                self._metrics = MetricsServer(LearnerMetrics(self.run, self.status, self._demand), wanted)
                self.metrics_address = self._metrics.address
                undo.callback(self._metrics.stop)
            self.address = self._server.start()
            undo.pop_all()
        if self._metrics is not None:
            self._metrics.start()
        _logger.info("learner serves run %s on %s", self.run.run_id, self.address)
        if self.config.transport.address_file is not None:
            content = json.dumps({"address": self.address, "pid": os.getpid()})
            replace_file(self.config.transport.address_file, content.encode())
        return self.address

    def status(self) -> status_pb2.RunStatus:
        """The run now."""
        status = self._server.status()
        if self.run.training is not None:
            self._demand.set_points(*self.run.training.limiter.bounds)
        self._demand.observe(status)
        return status

    def stop(self) -> None:
        """Refuses new work, lets workers leave, ends training and writes the last files."""
        with ExitStack() as last_to_first:
            # Each step is taken even if one before it fails; what failed first is raised in the end.
            last_to_first.callback(self.run.close)
            last_to_first.callback(self._keep_last)
            if self._directory is not None:
                last_to_first.callback(self._directory.save_newest)
                last_to_first.callback(self._directory.save_results)
            if self.run.training is not None:
                last_to_first.callback(self.run.training.trainer.stop, TRAINER_STOP_SECONDS)
            last_to_first.callback(self._server.stop)
            if self._metrics is not None:
                last_to_first.callback(self._metrics.stop)
        _logger.info("learner stopped")

    def _keep_last(self) -> None:
        """Hands the last checkpoint over, unless training broke off in the middle of an update."""
        storage, training = self.run.storage, self.run.training
        if storage is not None and training is not None and training.trainer.failure is None:
            storage.writer.await_idle(WRITER_IDLE_SECONDS)
            self.run.keep()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def serve_forever(self) -> None:
        """Serves until SIGTERM or SIGINT.

        Raises:
            TrainingFailedError: the trainer died.
            OSError: an address cannot be bound.
        """
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self._on_signal)
        try:
            with self:
                self._watch()
        finally:
            self._stop_deadline.cancel()
        training = self.run.training
        if training is not None and training.trainer.failure is not None:
            raise TrainingFailedError("the trainer died; its error is above") from training.trainer.failure

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        _logger.info("%s: stopping", signal.Signals(number).name)
        if not self._stopping.is_set():
            self._stopping.set()
            self._stop_deadline.start()

    def _give_up(self) -> None:
        """A disk that hangs holds its threads in the kernel, where only the end of the process reaches them."""
        _logger.error("the learner did not stop within %.0f s after the signal; exiting", STOP_DEADLINE_SECONDS)
        os._exit(1)

    def _watch(self) -> None:
        recorded_at = time.monotonic()
        while not self._stopping.wait(WATCH_PERIOD_SECONDS):
            try:
                status = self.status()
            except TimeoutError:
                _logger.warning("the server has not told the run's state in time: this machine is overloaded")
                continue
            if status.failure:
                self._stopping.set()
            due = time.monotonic() - recorded_at >= RECORD_PERIOD_SECONDS
            if due:
                recorded_at = time.monotonic()
                _log(status)
            if self._directory is not None:
                try:
                    self._directory.save_results()
                    if due:
                        self._directory.record(status)
                except OSError as error:
                    # A full disk must not end training: results are written once there is room.
                    _logger.error("results cannot be written: %s", error)


def _log(status: status_pb2.RunStatus) -> None:
    _logger.info(
        "%d transitions (%.0f/s), %d updates (%.0f/s), version %d, %.1f samples per insert; %s",
        status.transitions,
        status.transitions_per_second,
        status.updates,
        status.updates_per_second,
        status.policy_version,
        status.samples_per_insert,
        status.flow_detail,
    )
