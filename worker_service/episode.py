"""What an environment tells of an episode beside its rewards: laps and figures."""

import math
from collections.abc import Mapping
from typing import Any

from distrib_l2r.trajectory import EpisodeSummary, Lap


class EpisodeRecord:
    """Gathers laps and metrics from `info`.

    By the convention of this project's simulators, on the step that completes a lap `info["lap"]` is a dictionary with
    number, time_seconds, sector_times_seconds and standing_start; on an episode's last step `info["metrics"]` maps
    names to numbers, laps_started among them where there are laps.
    """

    def __init__(self) -> None:
        self._laps: list[Lap] = []
        self._metrics: Mapping[str, Any] = {}

    def add(self, info: Mapping[str, Any]) -> None:
        """Takes in a step's `info`."""
        if "lap" in info:
            lap = info["lap"]
            self._laps.append(
                Lap(
                    number=lap["number"],
                    time_seconds=lap["time_seconds"],
                    sector_times_seconds=tuple(lap.get("sector_times_seconds", ())),
                    standing_start=lap.get("standing_start", False),
                )
            )
        if "metrics" in info:
            self._metrics = info["metrics"]

    def summary(self, *, length: int, episode_return: float) -> EpisodeSummary:
        """The whole episode; a metric that is not finite is left out."""
        metrics = {name: float(value) for name, value in self._metrics.items() if math.isfinite(value)}
        return EpisodeSummary(
            length=length,
            episode_return=episode_return,
            metrics=metrics,
            laps=tuple(self._laps),
            laps_started=max(int(metrics.get("laps_started", 0)), len(self._laps)),
        )
