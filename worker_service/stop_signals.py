"""SIGTERM and SIGINT, noticed on a thread of its own."""

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Final, Self

STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_CLOSED: Final = b"\0"
"""No signal has this number."""


class StopSignals:
    """While entered, which only the main thread may do, the first of the signals to stop is acted upon.

    A Python signal handler runs on the main thread, between two of its instructions; in a simulator's native code that
    may be never. The interpreter's C handler, though, writes the signal's number into a socket at once, wherever the
    main thread is, and this class's thread reads it there.

    Args:
        on_signal: called with the first signal, on this class's thread.
        deadline_seconds: from the signal until the process ends, unless this has been left by then.
        on_deadline: called, on this class's thread, just before it ends with status 1.
    """

    def __init__(
        self, on_signal: Callable[[signal.Signals], None], deadline_seconds: float, on_deadline: Callable[[], None]
    ) -> None:
        self._on_signal = on_signal
        self._deadline_seconds = deadline_seconds
        self._on_deadline = on_deadline
        self._thread = threading.Thread(target=self._listen, name="stop-signals", daemon=True)

    def __enter__(self) -> Self:
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        self._thread.start()
        self._wakeup_before = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._handlers_before: dict[signal.Signals, Any] = {
            number: signal.signal(number, _nothing) for number in STOP_SIGNALS
        }
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._handlers_before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        signal.set_wakeup_fd(self._wakeup_before)
        # Full only where nobody reads, and then the thread is about to end the process anyway.
        with contextlib.suppress(BlockingIOError):
            self._writer.send(_CLOSED)
        self._thread.join()
        self._reader.close()
        self._writer.close()

    def _listen(self) -> None:
        while (received := self._reader.recv(1)) != _CLOSED:
            if received[0] in STOP_SIGNALS:
                self._on_signal(signal.Signals(received[0]))
                break
        else:
            return
        self._reader.settimeout(self._deadline_seconds)
        try:
            while self._reader.recv(1) != _CLOSED:
                pass
        except TimeoutError:
            self._on_deadline()
            # Threads stuck in a simulator's native code end only with the process.
            os._exit(1)


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """Merely keeps the signal's default action away; the thread acts."""
