"""A job: starts a learner and its crew, watches them while they train, and ends them."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from deploy.local.child import Child, kill, stop
from deploy.local.config import Config, Programs
from deploy.local.crew import Crew
from deploy.local.interrupt import Interrupt
from deploy.local.job_error import JobError
from deploy.local.progress import Moment, Progress
from deploy.local.status import StatusSource
from distrib_l2r.v1 import status_pb2
from worker_service.simulator_process import LOGS_VARIABLE

TICK_SECONDS: Final = 0.2
"""Pause between two looks at the children and at Ctrl-C."""

STATUS_PERIOD_SECONDS: Final = 1.0
"""Time between two questions to the learner."""

SERVE_SECONDS: Final = 120.0
"""Time for the learner to import its libraries and serve."""

FIRST_TRANSITION_SECONDS: Final = 180.0
"""Time for workers to start, for the policy's graph to be made, and for the first chunk to arrive."""

SILENT_SECONDS: Final = 30.0
"""A learner that answers nothing for this long hangs."""

OVERTIME_SECONDS: Final = 60.0
"""Wall-clock time beyond everything above after which a job ends, whatever its learner's clock says."""

WORKER_STOP_SECONDS: Final = 8.0
"""Time for workers to end; they promise 5 seconds."""

LEARNER_STOP_SECONDS: Final = 60.0
"""Time for the learner to end its update under way and write its files."""


@dataclass(eq=False)
class Job:
    """One training job on this machine.

    Attributes:
        status: the learner's newest.
        flow_state: as of the last moment of training; after it, workers are gone and the learner starves.
        failure: what ended the job early, if anything did.
    """

    config: Config
    programs: Programs
    progress: Progress
    interrupt: Interrupt
    status: status_pb2.RunStatus = field(default_factory=status_pb2.RunStatus)
    flow_state: status_pb2.FlowState.ValueType = status_pb2.FLOW_STATE_UNSPECIFIED
    failure: JobError | None = None
    _crew: Crew | None = None
    _source: StatusSource | None = None
    _started_seconds: float = field(default_factory=time.monotonic)

    def train(self) -> None:
        """Trains until the time is over, the user wants to stop, or something fails; then ends every child.

        Raises:
            KeyboardInterrupt: the user insisted; the children were killed.
            OSError: a file cannot be written or a child not be started.
        """
        self.config.logs.mkdir(parents=True, exist_ok=True)
        # One that a killed job left behind would lead to nobody, or to a stranger.
        self.config.address_file.unlink(missing_ok=True)
        learner = Child("learner", self.programs.learner_command(self.config), self.config.logs / "learner.log")
        try:
            try:
                self._train(learner)
            except JobError as error:
                self.failure = error
            self._show("stopping")
            try:
                self._stop(learner)
            except JobError as error:
                self.failure = self.failure or error
        finally:
            # All of them have ended by now, unless an exception came through.
            kill([*(self._crew.alive if self._crew else []), learner])
            if self._source is not None:
                self._source.close()
            self.config.address_file.unlink(missing_ok=True)

    @property
    def wall_seconds(self) -> float:
        """Since the job began."""
        return time.monotonic() - self._started_seconds

    @property
    def restarts(self) -> int:
        """Workers started again so far."""
        return self._crew.restarts if self._crew else 0

    def _train(self, learner: Child) -> None:
        self._show("starting the learner")
        address = self._await_address(learner)
        if address is None:
            return
        self._source = StatusSource(address)
        self._crew = Crew(self._worker_starts(address))
        self._crew.start()
        self._watch(learner, self._crew, self._source)

    def _stop(self, learner: Child) -> None:
        """Ends the workers, takes the last status, and ends the learner."""
        if self._crew is not None:
            for worker in self._crew.stop(WORKER_STOP_SECONDS):
                # Nothing is lost by it but the worker's last steps.
                self.progress.console.print(
                    f"{worker.name} had not ended {WORKER_STOP_SECONDS:g} s after SIGTERM and was killed", markup=False
                )
        if learner.exit_status is not None:
            return
        if self._source is not None:
            self.status = self._source.read() or self.status
        if stop([learner], LEARNER_STOP_SECONDS):
            raise learner.post_mortem(f"it had not ended {LEARNER_STOP_SECONDS:g} s after SIGTERM")
        if learner.exit_status != 0:
            raise learner.post_mortem("after SIGTERM it should have ended with 0")

    def _await_address(self, learner: Child) -> str | None:
        """Where the learner serves; None if the user stops the job before."""
        while not self.config.address_file.exists():
            if self.interrupt.received:
                return None
            if learner.exit_status is not None:
                raise learner.post_mortem("it has not begun to serve")
            if learner.age_seconds > SERVE_SECONDS:
                raise learner.post_mortem(f"it has not begun to serve within {SERVE_SECONDS:g} s")
            time.sleep(TICK_SECONDS)
        return str(json.loads(self.config.address_file.read_text())["address"])

    def _worker_starts(self, address: str) -> dict[str, Callable[[], Child]]:
        roles = {f"worker-{index}": "collect" for index in range(self.config.workers)} | {"evaluator": "evaluate"}
        # Where a simulator that is a program of its own leaves its log when it fails.
        environ = {LOGS_VARIABLE: str((self.config.logs / "simulators").resolve())}
        return {
            name: partial(
                Child,
                name,
                self.programs.worker_command(address, name, role),
                self.config.logs / f"{name}.log",
                environ,
            )
            for name, role in roles.items()
        }

    def _watch(self, learner: Child, crew: Crew, source: StatusSource) -> None:
        """Returns when the training time is over or the user wants to stop."""
        crew_started = time.monotonic()
        wall_limit_seconds = SERVE_SECONDS + FIRST_TRANSITION_SECONDS + self.config.training_seconds + OVERTIME_SECONDS
        asked = float("-inf")
        while not self.interrupt.received:
            if learner.exit_status is not None:
                raise learner.post_mortem("a job cannot go on without it")
            crew.watch()
            now = time.monotonic()
            if now - asked >= STATUS_PERIOD_SECONDS:
                asked = now
                self._ask(learner, source)
                self._show("training" if self.status.transitions else "waiting for the first transition")
                if self.status.training_seconds >= self.config.training_seconds:
                    return
            if not self.status.transitions and now - crew_started > FIRST_TRANSITION_SECONDS:
                raise JobError(
                    f"no transition has arrived within {FIRST_TRANSITION_SECONDS:g} s of the workers' start; "
                    f"their logs in {self.config.logs} say why"
                )
            if self.wall_seconds > wall_limit_seconds:
                raise JobError(
                    f"the job has taken {self.wall_seconds:.0f} s for {self.status.training_seconds:.0f} s of training "
                    f"and the limit is {wall_limit_seconds:.0f} s: see {learner.log}"
                )
            time.sleep(TICK_SECONDS)

    def _ask(self, learner: Child, source: StatusSource) -> None:
        status = source.read()
        if status is not None:
            self.status, self.flow_state = status, status.flow_state
            if status.failure:
                raise JobError(f"training failed: {status.failure}: see the end of {learner.log}\n{learner.log_tail()}")
        elif source.silent_seconds > SILENT_SECONDS and learner.exit_status is None:
            raise learner.post_mortem(f"it has answered nothing for {SILENT_SECONDS:g} s")

    def _show(self, phase: str) -> None:
        self.progress.show(
            Moment(
                phase=phase,
                training_total_seconds=self.config.training_seconds,
                status=self.status if self.status.transitions else None,
                workers_alive=len(self._crew.alive) if self._crew else 0,
                restarts=self.restarts,
            )
        )
