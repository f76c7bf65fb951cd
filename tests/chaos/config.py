"""Settings of a chaos run: each field is a flag of `python -m tests.chaos`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


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
    replay_capacity: int = 4_000_000
    """Rows of replay; nothing may be overwritten, or the audit would miss it."""

    def __post_init__(self) -> None:
        if self.faults < 1 or self.workers < 1:
            raise ValueError(f"faults is {self.faults} and workers {self.workers}; each must be at least 1")
