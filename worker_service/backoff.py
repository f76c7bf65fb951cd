"""Waiting longer after each failure, at random, so that a hundred workers do not return at once."""

import random

FIRST_SECONDS = 0.1
LONGEST_SECONDS = 5.0


class Backoff:
    """Exponential with full jitter (Brooker 2015, "Exponential Backoff and Jitter")."""

    def __init__(self) -> None:
        self._failures = 0

    def next_seconds(self) -> float:
        """How long to wait after one more failure."""
        bound = min(FIRST_SECONDS * 2**self._failures, LONGEST_SECONDS)
        self._failures += 1
        # A floor under the jitter: a refused connection costs both sides something.
        return FIRST_SECONDS / 2 + random.uniform(0, bound)  # noqa: S311

    def reset(self) -> None:
        """After a success."""
        self._failures = 0
