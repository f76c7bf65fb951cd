"""Figures of laps and returns, and the aggregate over seeds with its confidence."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from deploy.evaluate.laps import Stint

CONFIDENCE: Final = 0.95
RESAMPLES: Final = 10_000

TRIMMED_SHARE: Final = 0.25
"""Cut off both ends by the interquartile mean."""

BOOTSTRAP_SEED: Final = 0
"""Of the resampling: the same laps give the same intervals."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A figure and its 95 % confidence interval; no interval where there is too little to resample."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True)
class LapFigures:
    """How a policy's flying laps went; figures of time are of clean laps and None without one."""

    laps_begun: int
    """Begun at the line at speed, and ended."""
    laps_clean: int
    """Completed."""
    laps_lost: int
    """Begun and not completed."""
    starts_lost: int
    """Random starts that ended before the line, where their first lap would have begun."""
    completion: float
    """Clean laps over laps begun and starts lost: a lost start counts as a lost lap."""
    minimum_seconds: float | None
    median_seconds: float | None
    mean_seconds: float | None
    sigma_seconds: float | None
    """Standard deviation, over n - 1; None for fewer than two laps."""
    sigma_percent: float | None
    """Of the median."""
    minimum_ratio: float | None
    """minimum_seconds over the optimum; None where no optimum is known."""
    median_ratio: float | None
    """median_seconds over the optimum; None where no optimum is known."""


@dataclass(frozen=True, kw_only=True)
class ReturnFigures:
    """How a policy's episodes went, where there are no laps."""

    episodes: int
    mean_return: Estimate
    """With the interval over episodes."""
    median_return: float
    minimum_return: float
    maximum_return: float
    sigma_return: float | None
    """Standard deviation, over n - 1; None for one episode."""


def lap_figures(stints: Sequence[Stint], optimum_lap_seconds: float | None) -> LapFigures:
    """Figures of at least one stint."""
    times = np.array([lap.time_seconds for stint in stints for lap in stint.laps])
    begun = sum(stint.laps_begun for stint in stints)
    starts_lost = sum(stint.laps_begun == 0 for stint in stints)
    median = float(np.median(times)) if len(times) else None
    minimum = float(times.min()) if len(times) else None
    sigma = _sigma(times)
    return LapFigures(
        laps_begun=begun,
        laps_clean=len(times),
        laps_lost=begun - len(times),
        starts_lost=starts_lost,
        completion=len(times) / (begun + starts_lost),
        minimum_seconds=minimum,
        median_seconds=median,
        mean_seconds=float(times.mean()) if len(times) else None,
        sigma_seconds=sigma,
        sigma_percent=None if sigma is None or median is None else 100.0 * sigma / median,
        minimum_ratio=_ratio(minimum, optimum_lap_seconds),
        median_ratio=_ratio(median, optimum_lap_seconds),
    )


def return_figures(returns: Sequence[float]) -> ReturnFigures:
    """Figures of at least one episode's undiscounted return."""
    values = np.array(returns, np.float64)
    return ReturnFigures(
        episodes=len(values),
        mean_return=mean([returns]),
        median_return=float(np.median(values)),
        minimum_return=float(values.min()),
        maximum_return=float(values.max()),
        sigma_return=_sigma(values),
    )


def interquartile_mean(strata: Sequence[Sequence[float]]) -> Estimate:
    """The mean of the middle half of all scores, with its stratified bootstrap interval.

    Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical Precipice", NeurIPS 2021
    (https://arxiv.org/abs/2108.13264): scores are pooled over tasks and seeds, the quarter of them at either end is
    cut off, and seeds are drawn again with replacement within each task; the interval is that of percentiles.

    Args:
        strata: for each task the scores of its seeds. With fewer than two seeds in one of them there is no interval.
    """
    return _estimate([np.array(scores, np.float64) for scores in strata], trimmed_share=TRIMMED_SHARE)


def mean(strata: Sequence[Sequence[float]]) -> Estimate:
    """The mean of all scores with the same interval, for figures of which the extremes are what matters."""
    return _estimate([np.array(scores, np.float64) for scores in strata], trimmed_share=0.0)


def _estimate(strata: list[NDArray[np.float64]], *, trimmed_share: float) -> Estimate:
    def statistic(*samples: NDArray[np.float64], axis: int) -> Any:
        return stats.trim_mean(np.concatenate(samples, axis=axis), trimmed_share, axis=axis)

    value = float(statistic(*strata, axis=0))
    if any(len(scores) < 2 for scores in strata):
        return Estimate(value=value, low=None, high=None)
    # SciPy resamples each of several samples on its own: with a sample for each stratum, it is stratified.
    interval = stats.bootstrap(
        tuple(strata),
        statistic,
        n_resamples=RESAMPLES,
        batch=1_000,
        vectorized=True,
        paired=False,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(BOOTSTRAP_SEED),
    ).confidence_interval
    return Estimate(value=value, low=float(interval.low), high=float(interval.high))


def _sigma(values: NDArray[np.float64]) -> float | None:
    return float(values.std(ddof=1)) if len(values) > 1 else None


def _ratio(seconds: float | None, optimum_seconds: float | None) -> float | None:
    return None if seconds is None or optimum_seconds is None else seconds / optimum_seconds
