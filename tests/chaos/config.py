"""Settings of a chaos run: each field is a flag of `python -m tests.chaos`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

ROWS_AT_FIRST: Final = 200_000
ROWS_A_FAULT: Final = 2_500
"""About 1,000 transitions were driven while a fault struck and was recovered from."""


@dataclass(frozen=True, kw_only=True)
class ChaosConfig:
    """How many faults, which, and on what."""

    faults: int = 100
    """Faults to inject."""
    seed: int = 0
    """Draws the faults; the same seed gives the same faults in the same order."""
    minutes_limit: float | None = None
    """No fault begins later than this; no limit if not given."""
    workers: int = 3
    """Collecting workers; an evaluator comes on top."""
    plant: Literal["drop", "double"] | None = None
    """A bug for the learner, which the run must then report: one chunk in so many is acknowledged and dropped, or
    stored twice."""
    directory: Path | None = None
    """Takes logs and files and is kept; a temporary one, kept only after violations, if not given."""
    recovery_seconds: float = 60.0
    """From the end of a fault until training goes on and every worker was acknowledged something; later is a violation.
    A machine that is busy with other things needs more."""
    replay_capacity: int | None = None
    """Rows of replay; nothing may be overwritten, or the audit finds it missing. As many as the faults take time for if
    not given."""

    def __post_init__(self) -> None:
        if self.faults < 1 or self.workers < 1:
            raise ValueError(f"faults is {self.faults} and workers {self.workers}; each must be at least 1")

    @property
    def rows(self) -> int:
        """Rows of replay."""
        return self.replay_capacity or ROWS_AT_FIRST + ROWS_A_FAULT * self.faults
