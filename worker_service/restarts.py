"""How often this worker has had to make its simulator anew, across replacements of its process."""

import os
import sys
import time
from collections.abc import MutableMapping
from typing import Final, NoReturn

from worker_service.backoff import Backoff

VARIABLE: Final = "DISTRIB_L2R_SIMULATOR_RESTARTS"
"""Hands the counts to the process that replaces this one: "TOTAL IN_A_ROW"."""
ROW_SECONDS: Final = 60.0
"""Restarts farther apart than this are not in a row."""


class Restarts:
    """Counts restarts, and says how long to wait before the next: longer the more there were in a row.

    Args:
        environ: the environment variables of the process.

    Raises:
        ValueError: the variable is not what `replace_process` writes.
    """

    def __init__(self, environ: MutableMapping[str, str] = os.environ) -> None:
        self._environ = environ
        inherited = environ.get(VARIABLE, "0 0")
        try:
            self.total, in_a_row = map(int, inherited.split())
        except ValueError as error:
            raise ValueError(f"{VARIABLE} is {inherited!r}; it is two whole numbers: unset it") from error
        self._backoff = Backoff(failures=in_a_row)
        self._newest_at = time.monotonic()

    def add(self) -> float:
        """Counts one more; returns the seconds to wait before the simulator is made anew."""
        now = time.monotonic()
        if now - self._newest_at > ROW_SECONDS:
            self._backoff.reset()
        self._newest_at = now
        self.total += 1
        return self._backoff.next_seconds()

    def hand_on(self) -> None:
        """Leaves the counts to a process that replaces this one."""
        self._environ[VARIABLE] = f"{self.total} {self._backoff.failures}"


def replace_process() -> NoReturn:
    """Begins this process anew with its own command line and the same process id; its threads end with it.

    Raises:
        OSError: the interpreter cannot be executed.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    # The interpreter by its full path, as the command line may have named one that was found by PATH.
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606
