"""The worker as one object: environment, rollout and client, started, watched and stopped together."""

import dataclasses
import logging
import os
import signal
import threading
from types import FrameType

from distrib_l2r.environment import decode_arguments
from distrib_l2r.v1 import join_pb2
from worker_service.backoff import Backoff
from worker_service.client import LearnerClient
from worker_service.config import WorkerConfig
from worker_service.environment import (
    Environment,
    EnvironmentWrapper,
    environment_spaces,
    load_wrapper,
    make_environment,
)
from worker_service.outbox import Outbox
from worker_service.rollout import EnvironmentFailedError, Rollout

_logger = logging.getLogger(__name__)

FLUSH_SECONDS = 3.0
"""Time for the last acknowledgements after SIGTERM."""
EXIT_DEADLINE_SECONDS = 4.5
"""After SIGTERM the process ends by then, even if the simulator does not return."""
STOP_CHECK_SECONDS = 0.2


class AsyncWorker:
    """A worker.

    `AsyncWorker(learner_address=("learner", 4444), env_wrapper=my_wrapper).work()` drives the run's environment,
    wrapped, until told to stop.

    Args:
        learner_address: host and port; replaces the configuration's.
        env_wrapper: Gymnasium environment in and out; replaces the configuration's.
        config: everything else.
    """

    def __init__(
        self,
        learner_address: tuple[str, int] | None = None,
        env_wrapper: EnvironmentWrapper | None = None,
        config: WorkerConfig | None = None,
    ) -> None:
        config = config or WorkerConfig()
        if learner_address is not None:
            config = dataclasses.replace(config, learner=f"{learner_address[0]}:{learner_address[1]}")
        if env_wrapper is None and config.env_wrapper is not None:
            env_wrapper = load_wrapper(config.env_wrapper)
        self._config = config
        self._env_wrapper = env_wrapper
        self._stopping = threading.Event()
        self._outbox = Outbox(config.buffer_chunks)
        self._client = LearnerClient(config, self._outbox)

    def work(self) -> None:
        """Works until `stop`, SIGTERM or SIGINT.

        Raises:
            LearnerRefusedError: the learner wants nothing of this worker.
        """
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self._on_signal)
        self._client.start()
        try:
            self._work()
        finally:
            flushed = self._client.close(FLUSH_SECONDS)
            if not flushed and len(self._outbox):
                _logger.warning("leaving with %d chunks that were never acknowledged", len(self._outbox))

    def stop(self) -> None:
        """Ends `work` soon; from any thread."""
        self._stopping.set()

    def _work(self) -> None:
        while not self._client.wait(lambda: self._client.run is not None, STOP_CHECK_SECONDS):
            if self._stopping.is_set():
                return
        run = self._client.run
        assert run is not None, "just waited for"
        environment = self._make_environment(run.environment)
        spaces = environment_spaces(environment)
        self._client.bring(spaces)
        rollout = Rollout(
            environment,
            spaces,
            self._client,
            self._outbox,
            assignment=run.assignment,
            chunk_length=run.limits.chunk_length,
            stopping=self._stopping,
        )
        drive = rollout.evaluate if self._config.role == "evaluate" else rollout.collect
        backoff = Backoff()
        while not self._stopping.is_set():
            try:
                if rollout.environment is None:
                    rollout.environment = self._make_again(run.environment)
                drive()
            except EnvironmentFailedError as error:
                seconds = backoff.next_seconds()
                _logger.exception("the simulator failed (%s); making it anew in %.1f s", error, seconds)
                self._close(rollout)
                self._stopping.wait(seconds)
        self._close(rollout)

    def _close(self, rollout: Rollout) -> None:
        """Closes the rollout's environment; one that fails to close is reported and left behind."""
        environment, rollout.environment = rollout.environment, None
        if environment is not None:
            try:
                environment.close()
            # Simulators raise anything; the worker must go on without this one.
            except Exception:
                _logger.exception("the simulator failed while it was closed")

    def _make_again(self, environment: join_pb2.Environment) -> Environment:
        """Makes an environment that could be made before.

        Raises:
            EnvironmentFailedError: not now.
        """
        try:
            return self._make_environment(environment)
        except Exception as error:
            raise EnvironmentFailedError(f"making it raised {type(error).__name__}: {error}") from error

    def _make_environment(self, environment: join_pb2.Environment) -> Environment:
        arguments = decode_arguments(environment.arguments)
        if self._config.role == "evaluate":
            arguments |= decode_arguments(environment.evaluation_arguments)
        _logger.info("%s with %s", environment.id, arguments or "its defaults")
        return make_environment(environment.id, arguments, self._env_wrapper)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        _logger.info("%s: leaving", signal.Signals(number).name)
        self._stopping.set()
        deadline = threading.Timer(EXIT_DEADLINE_SECONDS, self._give_up)
        deadline.name = "exit-deadline"
        deadline.daemon = True
        deadline.start()

    def _give_up(self) -> None:
        _logger.error("the simulator did not return within %.1f s after the signal; exiting", EXIT_DEADLINE_SECONDS)
        # Threads stuck in a simulator's native code end only with the process.
        os._exit(1)
