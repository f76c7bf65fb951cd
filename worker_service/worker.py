"""The worker as one object: simulator, rollout and client, started, watched and stopped together."""

import contextlib
import dataclasses
import json
import logging
import os
import signal
import threading

from distrib_l2r.environment import decode_arguments
from distrib_l2r.limits import MAX_MESSAGE_BYTES
from distrib_l2r.spaces import Spaces
from distrib_l2r.v1 import join_pb2
from worker_service.chunk_builder import chunk_bytes
from worker_service.client import LearnerClient
from worker_service.columns import Environment
from worker_service.config import WorkerConfig
from worker_service.deadline import CallExpiredError, DeadlineWatch
from worker_service.environment import EnvironmentWrapper, load_wrapper, make_environment
from worker_service.outbox import Outbox
from worker_service.recording import RecordedEnvironment, Recorder
from worker_service.restarts import Restarts, replace_process
from worker_service.rollout import STOP_CHECK_SECONDS, Rollout
from worker_service.simulator import Simulator, SimulatorFailedError
from worker_service.stop_signals import StopSignals
from worker_service.waiting import WaitReport

_logger = logging.getLogger(__name__)

STOP_GRACE_SECONDS = 1.0
"""After SIGTERM a call into the simulator that lasts longer is given up."""
FLUSH_SECONDS = 3.0
"""Time for the last acknowledgements after SIGTERM."""
EXIT_DEADLINE_SECONDS = 4.5
"""After SIGTERM the process ends by then, whatever hangs."""


class AsyncWorker:
    """A worker.

    `AsyncWorker(learner_address=("learner", 4444), env_wrapper=my_wrapper).work()` drives the run's environment,
    wrapped, until told to stop. A simulator that fails is made anew. One that hangs in native code ends only with its
    process: the whole process then begins anew, with its own command line and process id, once the learner has
    acknowledged all that was driven.

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
        self._signalled = False
        self._outbox = Outbox(config.buffer_chunks)
        self._client = LearnerClient(config, self._outbox)
        self._restarts = Restarts()
        self._watch = DeadlineWatch(self._on_hang)
        self._rollout: Rollout | None = None
        self._recorder: Recorder | None = None

    def work(self) -> None:
        """Works until `stop`, SIGTERM or SIGINT.

        Raises:
            LearnerRefusedError: the learner wants nothing of this worker.
        """
        with contextlib.ExitStack() as stack:
            if threading.current_thread() is threading.main_thread():
                stack.enter_context(StopSignals(self._on_signal, EXIT_DEADLINE_SECONDS, _report_overdue))
            self._watch.start()
            stack.callback(self._watch.close)
            self._client.start()
            stack.callback(self._leave)
            # Whoever took over from a call that expired has said so.
            with contextlib.suppress(CallExpiredError):
                self._work()

    def stop(self) -> None:
        """Ends `work` soon; from any thread."""
        self._stopping.set()

    def _work(self) -> None:
        while not self._client.wait(lambda: self._client.run is not None, STOP_CHECK_SECONDS):
            if self._stopping.is_set():
                return
        run = self._client.run
        assert run is not None, "just waited for"
        simulators = self._make_simulators(run.environment)
        if self._stopping.is_set():
            return
        spaces = simulators[0].spaces
        self._check_chunk_bytes(spaces, run.limits)
        self._client.bring(spaces)
        rollout = self._rollout = Rollout(
            simulators,
            self._client,
            self._outbox,
            self._restarts,
            assignment=run.assignment,
            chunk_length=run.limits.chunk_length,
            stopping=self._stopping,
        )
        drive = rollout.evaluate if self._config.role == "evaluate" else rollout.collect
        drive()
        rollout.close()

    def _make_simulators(self, environment: join_pb2.Environment) -> list[Simulator]:
        """Makes every environment, unless told to stop meanwhile.

        Raises:
            ValueError: one process may not hold so many.
        """
        simulators: list[Simulator] = []
        count = self._config.envs_per_worker
        for number in range(1, count + 1):
            simulator = Simulator(
                lambda: self._make_environment(environment),
                self._watch,
                step_seconds=self._config.step_deadline_seconds,
                reset_seconds=self._config.reset_deadline_seconds,
                spaces=simulators[0].spaces if simulators else None,
            )
            self._make_first(simulator, number)
            if self._stopping.is_set():
                break
            most = simulator.most_beside
            if most is not None and most < count:
                raise ValueError(
                    f"envs_per_worker is {count}; {environment.id} allows {most} in a process: start more workers"
                )
            simulators.append(simulator)
        return simulators

    def _make_first(self, simulator: Simulator, number: int) -> None:
        """Makes an environment; what fails at the very first is a mistake, and later the simulator's failure."""
        while not self._stopping.is_set() and not simulator.made:
            try:
                simulator.make()
            except SimulatorFailedError as error:
                if self._restarts.total == 0 and number == 1:
                    raise error.__cause__ or error from None
                if self._restarts.total == 0:
                    raise ValueError(
                        f"environment {number} could not be made beside the others ({error}); where a simulator "
                        "allows fewer in a process, lower envs_per_worker and start more workers"
                    ) from error
                seconds = self._restarts.add()
                _logger.error("the simulator failed (%s); making it anew in %.1f s", error, seconds, exc_info=error)
                self._stopping.wait(seconds)

    def _check_chunk_bytes(self, spaces: Spaces, limits: join_pb2.Limits) -> None:
        """Says how much the buffer may take.

        Raises:
            ValueError: a chunk is larger than a message may be.
        """
        size = chunk_bytes(spaces, limits.chunk_length)
        most = limits.max_message_bytes or MAX_MESSAGE_BYTES
        # A little room for what comes with the columns.
        if size > most - 2**16:
            raise ValueError(
                f"a chunk of {limits.chunk_length} steps takes {size} bytes; a message may have {most}: "
                "lower the learner's --flow.chunk-length"
            )
        count = self._config.buffer_chunks
        _logger.info(
            "the buffer takes at most %.2f MB: %d chunks of %d steps, %.1f kB each",
            count * size / 1e6,
            count,
            limits.chunk_length,
            size / 1e3,
        )

    def _make_environment(self, environment: join_pb2.Environment) -> Environment:
        arguments = decode_arguments(environment.arguments)
        if self._config.role == "evaluate":
            arguments |= decode_arguments(environment.evaluation_arguments)
        _logger.info("%s with %s", environment.id, arguments or "its defaults")
        made = make_environment(environment.id, arguments, self._env_wrapper)
        if self._config.record is None:
            return made
        if self._recorder is None:
            self._recorder = Recorder(
                self._config.record,
                name=self._config.name,
                every=self._config.record_every,
                about={"environment": environment.id, "arguments": json.dumps(arguments), "role": self._config.role},
            )
        return RecordedEnvironment(made, self._recorder, lambda: self._rollout.policy_version if self._rollout else 0)

    def _on_signal(self, number: signal.Signals) -> None:
        """On the signals' thread."""
        _logger.info("%s: leaving", number.name)
        self._signalled = True
        self._stopping.set()
        self._watch.hasten(STOP_GRACE_SECONDS)

    def _on_hang(self, reason: str) -> None:
        """On the watch's thread, for good in place of the one that is stuck: hands over, and begins anew or leaves."""
        _logger.error("the simulator hangs: %s; handing over what it did before", reason)
        try:
            if self._rollout is not None:
                self._rollout.abort(reason)
            if self._recorder is not None:
                self._recorder.end("aborted", {"abort_reason": reason})
                self._recorder.close()
            self._wait_acknowledged()
            seconds = self._restarts.add()
            if not self._stopping.is_set():
                _logger.warning("beginning anew in %.1f s, restart %d", seconds, self._restarts.total)
            if not self._stopping.wait(seconds):
                self._client.close(0)
                self._restarts.hand_on()
                replace_process()
            self._leave()
        except Exception:
            # The thread that such errors belong to will never return.
            _logger.exception("leaving a simulator that hangs")
            os._exit(1)
        if self._signalled:
            # The stuck thread ends only with the process.
            os._exit(1)
        _logger.error("the simulator's thread is left behind; `work` returns if it ever does")

    def _wait_acknowledged(self) -> None:
        """Until the learner has all chunks, or the worker is to stop.

        Raises:
            LearnerRefusedError: the learner wants nothing of this worker.
        """
        report = WaitReport(
            "waiting to begin anew",
            lambda: f"{len(self._outbox)} chunks must be acknowledged before, and {self._client.contact}",
        )
        while not self._outbox.wait_empty(STOP_CHECK_SECONDS) and not self._stopping.is_set():
            self._client.check()
            report.tick()

    def _leave(self) -> None:
        if self._recorder is not None:
            self._recorder.close()
        flushed = self._client.close(FLUSH_SECONDS)
        if not flushed and len(self._outbox):
            _logger.warning("leaving with %d chunks that were never acknowledged", len(self._outbox))


def _report_overdue() -> None:
    _logger.error("the worker did not end within %.1f s after the signal; exiting", EXIT_DEADLINE_SECONDS)
