"""A completed lap, whatever simulator it was driven in."""

from dataclasses import dataclass

SECTORS = 3


@dataclass(frozen=True)
class Lap:
    """One completed lap."""

    number: int
    """1 for the first timed lap of the episode."""
    time_seconds: float
    sector_times_seconds: tuple[float, float, float]
    """Of the three equal thirds of the centre line; they add up to the lap time."""
    standing_start: bool
    """Whether the lap began with the car standing on the line."""
