"""Laps to compare with: of the fastest of TORCS 1.3.7's own robots."""

from collections.abc import Mapping
from typing import Final

REFERENCE_LAPS: Final[Mapping[tuple[str, str], float]] = {
    ("p406", "g-track-1"): 55.12,
    ("p406", "e-track-6"): 118.46,
    ("p406", "forza"): 122.49,
}
"""Seconds of a flying lap, by car and track."""


def reference_lap_seconds(car: str, track: str) -> float | None:
    """The lap to compare with; None where none is known."""
    return REFERENCE_LAPS.get((car, track))
