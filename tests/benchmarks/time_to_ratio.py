"""How long learning took to drive laps of a given quality, from evaluations in order of time."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One evaluation of the deterministic policy: five episodes of three laps from random starts.

    A lap that leaves the track is never completed, so every lap that counts is clean.
    """

    seconds: float
    """By the run's clock, when its result was there."""
    lap_ratio: float | None
    """Its fastest lap over the optimum; None if it completed none."""


def seconds_to_ratio(attempts: Iterable[Attempt], ratio: float = math.inf) -> float | None:
    """When the first lap within `ratio` was there; None if none was. Any lap counts where no ratio is given."""
    return next(
        (attempt.seconds for attempt in attempts if attempt.lap_ratio is not None and attempt.lap_ratio <= ratio), None
    )


def best_so_far(attempts: Iterable[Attempt]) -> list[tuple[float, float]]:
    """Seconds and lap ratio of each improvement, in order."""
    improvements: list[tuple[float, float]] = []
    for attempt in attempts:
        if attempt.lap_ratio is not None and (not improvements or attempt.lap_ratio < improvements[-1][1]):
            improvements.append((attempt.seconds, attempt.lap_ratio))
    return improvements


def median_seconds(times: Sequence[float | None]) -> float | None:
    """The median of times, where None is longer than every budget; None if the median is."""
    median = statistics.median(math.inf if seconds is None else seconds for seconds in times)
    return median if math.isfinite(median) else None


@dataclass(frozen=True, kw_only=True)
class TimesFaster:
    """How many times as long one took as another."""

    ratio: float
    is_lower_bound: bool
    """The slower did not arrive within its budget."""


def times_faster(fast_seconds: float | None, slow_seconds: float | None, budget_seconds: float) -> TimesFaster | None:
    """Slow over fast; the budget stands for a slow time that is None. None if the fast one did not arrive either."""
    if fast_seconds is None:
        return None
    return TimesFaster(
        ratio=(budget_seconds if slow_seconds is None else slow_seconds) / fast_seconds,
        is_lower_bound=slow_seconds is None,
    )
