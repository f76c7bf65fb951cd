"""Lines about a wait: who waits on what and since when."""

import logging
import time
from collections.abc import Callable
from typing import Final

_logger = logging.getLogger(__name__)

REPORT_SECONDS: Final = 5.0
"""Between two lines about the same wait."""


class WaitReport:
    """One wait: told of every few seconds while it lasts, and once more when it is over if it was told of at all.

    Args:
        doing: what is done, or not, meanwhile: "not stepping".
        reason: says what for.
        level: of the lines while it lasts.
    """

    def __init__(self, doing: str, reason: Callable[[], str], level: int = logging.WARNING) -> None:
        self._doing = doing
        self._reason = reason
        self._level = level
        self._since = self._told_at = time.monotonic()

    def tick(self) -> None:
        """Still waiting."""
        now = time.monotonic()
        if now - self._told_at >= REPORT_SECONDS:
            self._told_at = now
            _logger.log(self._level, "%s for %.0f s: %s", self._doing, now - self._since, self._reason())

    def over(self, then: str) -> None:
        """No longer; `then` says what goes on."""
        if self._told_at > self._since:
            _logger.info("%s after %.1f s", then, time.monotonic() - self._since)
