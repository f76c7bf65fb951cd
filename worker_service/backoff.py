"""Waiting longer after each failure, at random, so that a hundred workers do not return at once."""

import random

FIRST_SECONDS = 0.1
LONGEST_SECONDS = 5.0
_MOST_DOUBLINGS = 30


class Backoff:
    """Exponential with full jitter (Brooker 2015, "Exponential Backoff and Jitter").

    Args:
        failures: in a row so far.
    """

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        """In a row so far."""

    def next_seconds(self) -> float:
        """How long to wait after one more failure."""
        bound = min(FIRST_SECONDS * 2 ** min(self.failures, _MOST_DOUBLINGS), LONGEST_SECONDS)
        self.failures += 1
        # A floor under the jitter: a refused connection costs both sides something.
        return FIRST_SECONDS / 2 + random.uniform(0, bound)  # noqa: S311

    def reset(self) -> None:
        """After a success."""
        self.failures = 0
