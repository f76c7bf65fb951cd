"""Deadlines of calls into a simulator: a thread of its own notices a call that does not return."""

import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar, TypeVarTuple

A = TypeVarTuple("A")
T = TypeVar("T")

LONGEST_SLEEP_SECONDS: Final = 1.0
"""How late, at most, the watch notices a deadline shorter than this."""
STARVED_SECONDS: Final = 0.5
"""A sleep longer by this than asked for means that the whole process did not run: the simulator is not to blame."""


class CallExpiredError(RuntimeError):
    """A call returned after its deadline; what it returned must not be used."""


class DeadlineWatch:
    """Watches one call at a time; calls come from one thread at a time.

    Whether a call came back in time is decided by who takes the only element of its list, which Python does for one
    thread alone, and which costs a call a tenth of what locks do. So exactly one side wins: either `call` returns, and
    the watch lets it pass; or `on_expiry` is called, once and for good, and `call` never returns a result.

    Args:
        on_expiry: called on the watch's thread with a sentence about the call that did not return.
    """

    def __init__(self, on_expiry: Callable[[str], None]) -> None:
        self._on_expiry = on_expiry
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._watch, name="deadline-watch", daemon=True)
        # When the newest call began, in a list that is empty once the call was decided about. What it is called and
        # may take is set before the list, and so belongs to it for as long as it holds anything.
        self._call: list[float] = []
        self._what = ""
        self._seconds = 0.0
        self._hastened: tuple[float, float] | None = None
        """When, and the grace since then."""
        self._closed = False

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
            self._hastened = time.monotonic(), grace_seconds
            self._changed.notify_all()

    def call(self, what: str, seconds: float, function: Callable[[*A], T], *args: *A) -> T:
        """Calls `function` under a deadline.

        Args:
            what: names the call in the sentence about it.
            seconds: from now.

        Raises:
            CallExpiredError: it returned or raised too late, and `on_expiry` has returned as well.
            Exception: what `function` raised in time.
        """
        self._what = what
        self._seconds = seconds
        call = self._call = [time.monotonic()]
        try:
            return function(*args)
        finally:
            try:
                call.pop()
            except IndexError:
                # Whoever took over owns this wait: it ends the process, or itself.
                self._thread.join()
                raise CallExpiredError(f"{what} returned after its deadline of {self._allowed():g} s") from None

    def _allowed(self) -> float:
        """Seconds that the newest call may take."""
        return self._seconds if self._hastened is None else min(self._seconds, self._hastened[1])

    def _expires_at(self, call: list[float]) -> float | None:
        """When a call expires; None where it was decided about."""
        seconds = self._seconds
        try:
            began = call[0]
        except IndexError:
            return None
        if self._hastened is None:
            return began + seconds
        hastened_at, grace = self._hastened
        return min(began + seconds, max(began, hastened_at) + grace)

    def _watch(self) -> None:
        forgiven, of_call = 0.0, self._call
        with self._changed:
            while not self._closed:
                now, call = time.monotonic(), self._call
                if call is not of_call:
                    forgiven, of_call = 0.0, call
                expires_at = self._expires_at(call)
                left = LONGEST_SLEEP_SECONDS if expires_at is None else expires_at + forgiven - now
                if left <= 0 and _take(call):
                    sentence = f"{self._what} did not return within {self._allowed():g} s"
                    break
                asked = min(max(left, 0.0), LONGEST_SLEEP_SECONDS)
                self._changed.wait(asked)
                starved = time.monotonic() - now - asked
                if starved > STARVED_SECONDS:
                    forgiven += starved
            else:
                return
        self._on_expiry(sentence)


def _take(call: list[float]) -> bool:
    """Whether a call had not been decided about."""
    try:
        call.pop()
    except IndexError:
        return False
    return True
