"""What an environment tells of an episode beside its rewards: laps and figures."""

import logging
import math
from collections.abc import Mapping
from typing import Any, Final

from distrib_l2r.limits import MAX_NAME_LENGTH, MAX_REASON_LENGTH
from distrib_l2r.trajectory import EpisodeSummary, Lap

_logger = logging.getLogger(__name__)

MAX_LAP_NUMBER: Final = 2**32 - 1
UNFIT: Final = (TypeError, ValueError, KeyError, AttributeError, OverflowError)


class EpisodeRecord:
    """Gathers laps and metrics from `info`.

    By the convention of this project's simulators, on the step that completes a lap `info["lap"]` is a dictionary with
    number, time_seconds, sector_times_seconds and standing_start; on an episode's last step `info["metrics"]` maps
    names to numbers, laps_started among them where there are laps. Simulators may have other things under these names:
    what does not fit is left out, and told of once.

    Args:
        told: keys of `info` that were found not to fit; shared by the records of a worker.
    """

    def __init__(self, told: set[str] | None = None) -> None:
        self._told = set() if told is None else told
        self._laps: list[Lap] = []
        self._metrics: dict[str, float] = {}

    def add(self, info: Mapping[str, Any]) -> None:
        """Takes in a step's `info`."""
        if "lap" in info:
            try:
                self._laps.append(_lap(info["lap"]))
            except UNFIT as error:
                self._tell("lap", info["lap"], error)
        if "metrics" in info:
            try:
                self._metrics = _metrics(info["metrics"])
            except UNFIT as error:
                self._tell("metrics", info["metrics"], error)

    def summary(self, *, length: int, episode_return: float, abort_reason: str = "") -> EpisodeSummary:
        """The whole episode; a metric that is not finite is left out, and of a reason what is beyond the limit."""
        started = self._metrics.get("laps_started", 0.0)
        return EpisodeSummary(
            length=length,
            episode_return=episode_return,
            metrics=self._metrics,
            laps=tuple(self._laps),
            laps_started=max(int(min(max(started, 0), MAX_LAP_NUMBER)), len(self._laps)),
            # An exception's text may hold what is no Unicode.
            abort_reason=abort_reason.encode("utf-8", "replace").decode()[:MAX_REASON_LENGTH],
        )

    def _tell(self, key: str, value: object, error: Exception) -> None:
        if key not in self._told:
            self._told.add(key)
            _logger.warning("info[%r] is %.200r and is left out (%s: %s)", key, value, type(error).__name__, error)


def _lap(given: Any) -> Lap:
    """A lap that the learner takes.

    Raises:
        UNFIT: it is none.
    """
    lap = Lap(
        number=int(given["number"]),
        time_seconds=float(given["time_seconds"]),
        sector_times_seconds=tuple(float(seconds) for seconds in given.get("sector_times_seconds", ())),
        standing_start=bool(given.get("standing_start", False)),
    )
    times = (lap.time_seconds, *lap.sector_times_seconds)
    if not all(math.isfinite(seconds) and seconds > 0 for seconds in times):
        raise ValueError("every time must be finite and above 0")
    if not 1 <= lap.number <= MAX_LAP_NUMBER:
        raise ValueError("laps count from 1")
    return lap


def _metrics(given: Any) -> dict[str, float]:
    """Metrics that the learner takes.

    Raises:
        UNFIT: they are no mapping from names to numbers.
    """
    metrics = {name: float(value) for name, value in given.items()}
    if not all(isinstance(name, str) and 1 <= len(name.encode()) <= MAX_NAME_LENGTH for name in metrics):
        raise ValueError(f"names are texts of 1 to {MAX_NAME_LENGTH} characters")
    return {name: value for name, value in metrics.items() if math.isfinite(value)}
