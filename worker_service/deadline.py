"""Deadlines of calls into a simulator: a thread of its own notices a call that does not return."""

import math
import threading
import time
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

LONGEST_SLEEP_SECONDS: Final = 1.0
"""How late, at most, the watch notices a deadline shorter than this."""
STARVED_SECONDS: Final = 0.5
"""A sleep longer by this than asked for means that the whole process did not run: the simulator is not to blame."""


class CallExpiredError(RuntimeError):
    """A call returned after its deadline; what it returned must not be used."""


class DeadlineWatch:
    """Watches one call at a time.

    Whether a call came back in time is decided under one lock, so that exactly one side wins: either `call` returns,
    and the watch lets it pass; or `on_expiry` is called, once and for good, and `call` never returns a result.

    Args:
        on_expiry: called on the watch's thread with a sentence about the call that did not return.
    """

    def __init__(self, on_expiry: Callable[[str], None]) -> None:
        self._on_expiry = on_expiry
        self._changed = threading.Condition(threading.Lock())
        self._thread = threading.Thread(target=self._watch, name="deadline-watch", daemon=True)
        self._what = ""
        self._seconds = 0.0
        self._expires_at: float | None = None
        self._grace_seconds = math.inf
        self._expired = self._closed = False

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def close(self) -> None:
        """Ends the thread; not while a call is under way."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def hasten(self, grace_seconds: float) -> None:
        """Shortens every deadline, of the call under way too, to at most this from now."""
        with self._changed:
            self._grace_seconds = grace_seconds
            if self._expires_at is not None:
                self._seconds = min(self._seconds, grace_seconds)
                self._expires_at = min(self._expires_at, time.monotonic() + grace_seconds)
            self._changed.notify_all()

    def call(self, what: str, seconds: float, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Calls `function` under a deadline.

        Args:
            what: names the call in the sentence about it.
            seconds: from now.

        Raises:
            CallExpiredError: it returned or raised too late, and `on_expiry` has returned as well.
            Exception: what `function` raised in time.
        """
        with self._changed:
            self._what = what
            self._seconds = min(seconds, self._grace_seconds)
            self._expires_at = time.monotonic() + self._seconds
        try:
            return function(*args, **kwargs)
        finally:
            self._finish()

    def _finish(self) -> None:
        with self._changed:
            if not self._expired:
                self._expires_at = None
                return
        # Whoever took over owns this wait: it ends the process, or itself.
        self._thread.join()
        raise CallExpiredError(f"{self._what} returned after its deadline of {self._seconds:g} s")

    def _watch(self) -> None:
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                left = LONGEST_SLEEP_SECONDS if self._expires_at is None else self._expires_at - now
                if left <= 0:
                    self._expired = True
                    sentence = f"{self._what} did not return within {self._seconds:g} s"
                    break
                asked = min(left, LONGEST_SLEEP_SECONDS)
                self._changed.wait(asked)
                starved = time.monotonic() - now - asked
                if starved > STARVED_SECONDS and self._expires_at is not None:
                    self._expires_at += starved
            else:
                return
        self._on_expiry(sentence)
