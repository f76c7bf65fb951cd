"""Laps to compare with: the best flying laps of TORCS 1.3.7's own robots.

    python -m tests.benchmarks.torcs_robots g-track-1 e-track-6

drives them again. Its inferno, lliaw and tita have the p406, and the same lap times.
"""

from collections.abc import Mapping
from typing import Final

REFERENCE_LAPS: Final[Mapping[tuple[str, str], float]] = {
    ("p406", "e-track-3"): 117.05,
    ("p406", "e-track-6"): 118.33,
    ("p406", "forza"): 122.51,
    ("p406", "g-track-1"): 55.12,
    ("p406", "g-track-3"): 84.59,
}
"""Seconds, by car and track."""


def reference_lap_seconds(car: str, track: str) -> float | None:
    """The lap to compare with; None where none is known."""
    return REFERENCE_LAPS.get((car, track))
