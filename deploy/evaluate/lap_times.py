"""The picture of lap times: every clean flying lap of every policy, and the aggregate over policies."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from deploy.evaluate.evaluation import Aggregate
from deploy.evaluate.statistics import Estimate
from deploy.pictures.style import ACCENT, INK, SECOND, STYLE, draw_heading, save

Floats = NDArray[np.float64]

WIDTH_INCHES: Final = 9.0
ROW_INCHES: Final = 0.62
FRAME_INCHES: Final = 2.1

SPREAD: Final = 0.62
"""Share of a row's height that its laps may fill."""

BINS: Final = 90
"""Laps of one bin over the width are laid above and below each other."""


@dataclass(frozen=True, kw_only=True)
class LapTimes:
    """The clean laps of one policy, at least one."""

    label: str
    track: str
    seconds: tuple[float, ...]
    optimum_seconds: float | None
    completion: float


def draw_lap_times(path: Path, policies: Sequence[LapTimes], aggregate: Aggregate | None) -> None:
    """Draws a row of laps for each policy into the PNG file `path`.

    The axis is of lap ratios if the policies drove several tracks, else of seconds with ratios above.

    Raises:
        OSError: the file cannot be written.
    """
    tracks = list(dict.fromkeys(policy.track for policy in policies))
    in_ratios = len(tracks) > 1 and all(policy.optimum_seconds for policy in policies)
    scales = [(policy.optimum_seconds or 1.0) if in_ratios else 1.0 for policy in policies]
    rows = [np.array(policy.seconds) / scale for policy, scale in zip(policies, scales, strict=True)]
    with mpl.rc_context(STYLE):
        height = ROW_INCHES * max(len(rows), 2) + FRAME_INCHES
        figure = Figure(figsize=(WIDTH_INCHES, height), layout="constrained")
        axes = figure.add_subplot()
        _set_limits(axes, rows)
        for row, values in enumerate(rows):
            _draw_row(axes, row, values)
        name = "median_ratio" if in_ratios else "median_seconds"
        banded = aggregate is not None and name in aggregate.interquartile_means
        if aggregate is not None and banded:
            _draw_aggregate(axes, aggregate.interquartile_means[name])
        axes.set_yticks(range(len(rows)), [_label(policy, several=len(tracks) > 1) for policy in policies])
        axes.set_ylim(len(rows) - 0.45, -0.55)
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("lap ratio to the optimum" if in_ratios else "lap time (s)")
        optimum = policies[0].optimum_seconds
        if not in_ratios and optimum is not None and len(tracks) == 1:
            above = axes.secondary_xaxis(
                "top", functions=(lambda s: np.asarray(s) / optimum, lambda ratio: np.asarray(ratio) * optimum)
            )
            above.set_xlabel(f"ratio to the optimum of {optimum:.3f} s")
        draw_heading(figure, axes, f"{', '.join(tracks)}, flying laps", _subtitle(rows, banded=banded))
        save(figure, path)


def _label(policy: LapTimes, *, several: bool) -> str:
    track = f", {policy.track}" if several else ""
    return f"{policy.label}{track}\n{100 * policy.completion:.1f} % clean"


def _subtitle(rows: Sequence[Floats], *, banded: bool) -> str:
    band = "  ·  orange: interquartile mean of the medians, 95 % interval" if banded else ""
    return f"{sum(len(values) for values in rows)} clean laps, a dot each  ·  black: median{band}"


def _set_limits(axes: Axes, rows: Sequence[Floats]) -> None:
    low, high = min(float(row.min()) for row in rows), max(float(row.max()) for row in rows)
    # A deterministic policy may repeat one lap to the microsecond: some width is needed to have an axis.
    margin = max(0.06 * (high - low), 1e-4 * high)
    axes.set_xlim(low - margin, high + margin)


def _draw_row(axes: Axes, row: int, values: Floats) -> None:
    low, high = axes.get_xlim()
    bins = np.floor((values - low) / (high - low) * BINS).astype(int)
    rank = np.zeros(len(values))
    for number in np.unique(bins):
        inside = np.flatnonzero(bins == number)
        # 0, 1, -1, 2, -2, ...: from the middle of the row outwards, in order of time.
        order = np.arange(len(inside))
        rank[inside] = (order + 1) // 2 * np.where(order % 2, 1, -1)
    step = min(0.09, 0.5 * SPREAD / max(float(np.abs(rank).max()), 1.0))
    axes.scatter(values, row + step * rank, s=11, color=ACCENT, alpha=0.55, linewidths=0, zorder=3)
    median = float(np.median(values))
    axes.plot([median, median], [row - 0.4, row + 0.4], color=INK, linewidth=1.8, solid_capstyle="butt", zorder=4)


def _draw_aggregate(axes: Axes, estimate: Estimate) -> None:
    if estimate.low is not None and estimate.high is not None:
        axes.axvspan(estimate.low, estimate.high, color=SECOND, alpha=0.13, linewidth=0, zorder=1)
    axes.axvline(estimate.value, color=SECOND, linewidth=1.3, zorder=2)
