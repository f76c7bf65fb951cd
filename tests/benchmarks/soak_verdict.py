"""Whether anything grew in a soak, from its samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

Line = Mapping[str, Any]

SETTLED_SHARE: Final = 0.1
"""Of the run; threads and descriptors are there by then."""
COUNTS: Final = ("learner_threads", "learner_descriptors", "workers_threads", "workers_descriptors")


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Steepest growth of anonymous memory that passes."""

    learner_mb_per_hour: float
    worker_mb_per_hour: float
    """Of the mean worker."""


def slope_per_hour(lines: Sequence[Line], name: str) -> float:
    """Slope of a figure over the second half of the run, by least squares.

    Raises:
        ValueError: the second half has fewer than 2 samples.
    """
    half = [line for line in lines if line["seconds"] >= lines[-1]["seconds"] / 2]
    if len(half) < 2:
        raise ValueError(f"the second half has {len(half)} samples; a slope needs at least 2: let the soak run longer")
    hours = np.array([line["seconds"] / 3600 for line in half])
    return float(np.polyfit(hours, [line[name] for line in half], 1)[0])


def conclude(lines: Sequence[Line], *, workers: int, bounds: Bounds) -> dict[str, Any]:
    """The row: slopes, counts, totals, and in `grown` a sentence for each thing that grew or was lost.

    Raises:
        ValueError: there are too few samples.
    """
    learner_slope = slope_per_hour(lines, "learner_anonymous_mb")
    worker_slope = slope_per_hour(lines, "workers_anonymous_mb") / workers
    settled, end = lines[int(SETTLED_SHARE * (len(lines) - 1))], lines[-1]
    grown = [
        f"{name} rose by {slope:.1f} MB/h; at most {bound:g} are allowed"
        for name, slope, bound in (
            ("learner memory", learner_slope, bounds.learner_mb_per_hour),
            ("mean worker memory", worker_slope, bounds.worker_mb_per_hour),
        )
        if slope > bound
    ]
    grown += [f"{name} rose from {settled[name]} to {end[name]}" for name in COUNTS if end[name] > settled[name]]
    for name in ("workers", "workers_connected"):
        if end[name] < workers:
            grown.append(f"{name} fell to {end[name]} of {workers}")
    seconds = max(end["seconds"] - lines[0]["seconds"], 1e-9)
    return {
        "name": "soak",
        "workers": workers,
        "minutes": round(end["seconds"] / 60, 1),
        "grown": grown,
        "learner_anonymous_mb_per_hour": round(learner_slope, 2),
        "worker_anonymous_mb_per_hour": round(worker_slope, 2),
        **{f"{name}_at_tenth": settled[name] for name in COUNTS},
        **{f"{name}_at_end": end[name] for name in COUNTS},
        **{
            f"{name}_at_end": end[name]
            for name in ("learner_anonymous_mb", "learner_file_mb", "workers_anonymous_mb", "worker_anonymous_max_mb")
        },
        "machine_available_mb_least": min(line["machine_available_mb"] for line in lines),
        "transitions": end["transitions"],
        "transitions_per_second": round((end["transitions"] - lines[0]["transitions"]) / seconds, 1),
        "updates": end["updates"],
        "updates_per_second": round((end["updates"] - lines[0]["updates"]) / seconds, 1),
        "policy_versions": end["policy_version"],
    }
