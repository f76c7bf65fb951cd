"""A thread that writes checkpoints, so that training never waits for the disk."""

import logging
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

_logger = logging.getLogger(__name__)


class Checkpoints(Protocol):
    """Where checkpoints go, such as a `CheckpointDirectory`."""

    def write(self, state: Any, about: Mapping[str, Any]) -> Path:
        """Writes a checkpoint, and returns once it is safe."""


class CheckpointWriter:
    """Writes one checkpoint at a time. Thread-safe.

    A write that fails is logged and shows in `failure_text`; the next one submitted is the next attempt.

    Args:
        checkpoints: where they go; used by the writer's thread alone from now on.
    """

    def __init__(self, checkpoints: Checkpoints) -> None:
        self._checkpoints = checkpoints
        self._condition = threading.Condition()
        self._submitted: tuple[Any, Mapping[str, Any]] | None = None
        self._writing = False
        self._closed = False
        self._failure_text: str | None = None
        self._newest: Path | None = None
        self._written_at: float | None = None
        self._thread = threading.Thread(target=self._run, name="checkpoint-writer", daemon=True)
        self._thread.start()

    @property
    def failure_text(self) -> str | None:
        """Why the newest write that ended failed; None if it did not."""
        with self._condition:
            return self._failure_text

    @property
    def newest(self) -> Path | None:
        """The newest checkpoint that this writer completed."""
        with self._condition:
            return self._newest

    @property
    def written_at(self) -> float | None:
        """When `newest` was complete, in `time.monotonic()` seconds."""
        with self._condition:
            return self._written_at

    def submit(self, state: Any, about: Mapping[str, Any]) -> bool:
        """Hands a state over to be written; does not wait.

        Args:
            state: the writer's alone from now on. Tensors may lie on any device: the writer's thread fetches them.
            about: as `CheckpointDirectory.write` has it.

        Returns:
            Whether it was taken; False while another is being written.

        Raises:
            RuntimeError: the writer is closed.
        """
        with self._condition:
            if self._closed:
                raise RuntimeError("the checkpoint writer is closed; submit before close()")
            if self._writing:
                return False
            self._submitted, self._writing = (state, about), True
            self._condition.notify_all()
            return True

    def await_idle(self, timeout_seconds: float) -> bool:
        """Waits until what was submitted is written or has failed; False if it is not by then."""
        with self._condition:
            return self._condition.wait_for(lambda: not self._writing, timeout_seconds)

    def close(self, timeout_seconds: float) -> None:
        """Ends the thread after the write under way.

        Raises:
            TimeoutError: it did not end in time; the checkpoint under way is not complete, earlier ones are safe.
        """
        with self._condition:
            self._closed = True
            self._condition.notify_all()
        self._thread.join(timeout_seconds)
        if self._thread.is_alive():
            raise TimeoutError(
                f"the checkpoint under way was not written within {timeout_seconds} s; its disk hangs or is too slow"
            )

    def _run(self) -> None:
        while (submitted := self._next()) is not None:
            self._write(*submitted)
            # A large state must not stay in memory until the next one comes.
            del submitted
            with self._condition:
                self._writing = False
                self._condition.notify_all()

    def _next(self) -> tuple[Any, Mapping[str, Any]] | None:
        """What was submitted; None once closed and nothing is left."""
        with self._condition:
            self._condition.wait_for(lambda: self._submitted is not None or self._closed)
            submitted, self._submitted = self._submitted, None
            return submitted

    def _write(self, state: Any, about: Mapping[str, Any]) -> None:
        try:
            path = self._checkpoints.write(state, about)
        # Whatever it is, training goes on without this checkpoint, and somebody must hear of it.
        except Exception as failure:
            text = str(failure) or type(failure).__name__
            with self._condition:
                self._failure_text = text
            # The system's refusals explain themselves, anything else is a defect and shows where.
            unexplained = None if isinstance(failure, OSError) else failure
            _logger.warning("no checkpoint was written, training goes on: %s", text, exc_info=unexplained)
            return
        with self._condition:
            self._failure_text, self._newest, self._written_at = None, path, time.monotonic()
