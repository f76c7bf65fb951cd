"""Evaluations: how well each policy version drives, and which is best."""

import statistics
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from distrib_l2r.trajectory import EpisodeSummary, Lap, encode_lap
from distrib_l2r.v1 import status_pb2

UNTAKEN_EVALUATIONS = 1000
"""Newest complete evaluations that wait to be taken."""

UNFINISHED_VERSIONS = 64
"""Versions with too few episodes so far that are remembered; an evaluator that died leaves one behind."""


@dataclass(frozen=True, kw_only=True)
class LapRecord:
    """A lap with what drove it."""

    lap: Lap
    policy_version: int
    wall_seconds: float
    """From the start of training to the lap's report."""
    worker_name: str

    def message(self) -> status_pb2.LapRecord:
        """For `GetRunStatus`."""
        return status_pb2.LapRecord(
            lap=encode_lap(self.lap),
            policy_version=self.policy_version,
            wall_seconds=self.wall_seconds,
            worker_name=self.worker_name,
        )


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """All evaluation episodes of one policy version."""

    policy_version: int
    episodes: int
    mean_return: float
    best_lap_seconds: float | None
    median_lap_seconds: float | None
    """Of the flying laps, or of all where none began at speed; None where no lap was completed."""
    clean_fraction: float | None
    """Laps completed over laps begun; an episode that ended before its first lap counts as one lost. None where no
    episode began a lap."""
    wall_seconds: float
    training_step: int
    """Gradient updates done when the version was published; 0 where the learner no longer knows."""

    @property
    def rank(self) -> tuple[bool, float]:
        """Greater is better: all laps clean before any lap lost, then lap time; without laps the mean return.

        The median lap, not the fastest: a version that drives one fast lap and wanders on the next is not the best.
        """
        if self.clean_fraction == 1.0 and self.median_lap_seconds is not None:
            return True, -self.median_lap_seconds
        return False, self.mean_return

    @property
    def sentence(self) -> str:
        """For the log."""
        if self.best_lap_seconds is None:
            return f"mean return {self.mean_return:.1f} over {self.episodes} episodes"
        return (
            f"best lap {self.best_lap_seconds:.3f} s, median {self.median_lap_seconds:.3f} s, "
            f"{self.clean_fraction:.0%} of laps clean"
        )

    def message(self) -> status_pb2.Evaluation:
        """For `GetRunStatus`."""
        return status_pb2.Evaluation(
            policy_version=self.policy_version,
            episodes=self.episodes,
            mean_return=self.mean_return,
            best_lap_seconds=self.best_lap_seconds,
            median_lap_seconds=self.median_lap_seconds,
            clean_fraction=self.clean_fraction,
            wall_seconds=self.wall_seconds,
            training_step=self.training_step,
        )


@dataclass(eq=False)
class Evaluations:
    """Gathers episodes by policy version. Thread-safe.

    Attributes:
        episodes_per_version: episodes that complete the evaluation of a version.
    """

    episodes_per_version: int
    best: Evaluation | None = None
    newest: Evaluation | None = None
    best_lap: LapRecord | None = None
    newest_lap: LapRecord | None = None
    first_lap: LapRecord | None = None
    laps_clean: int = 0
    laps_total: int = 0
    _episodes: dict[int, list[EpisodeSummary]] = field(default_factory=dict)
    _complete: deque[Evaluation] = field(default_factory=lambda: deque(maxlen=UNTAKEN_EVALUATIONS))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add_training_laps(self, laps: list[LapRecord]) -> None:
        """Laps driven with exploration count as the run's first, nothing else."""
        with self._lock:
            if laps and self.first_lap is None:
                self.first_lap = laps[0]

    def add_episode(
        self,
        policy_version: int,
        summary: EpisodeSummary,
        laps: list[LapRecord],
        *,
        wall_seconds: float,
        training_step: int,
    ) -> bool:
        """Takes in one evaluation episode; `laps` are its laps. Returns whether its version became the best."""
        with self._lock:
            for record in laps:
                self.first_lap = self.first_lap or record
                self.newest_lap = record
                if self.best_lap is None or record.lap.time_seconds < self.best_lap.lap.time_seconds:
                    self.best_lap = record
            self.laps_clean += len(laps)
            self.laps_total += summary.laps_started
            episodes = self._episodes.setdefault(policy_version, [])
            episodes.append(summary)
            if len(episodes) < self.episodes_per_version:
                while len(self._episodes) > UNFINISHED_VERSIONS:
                    del self._episodes[min(self._episodes)]
                return False
            del self._episodes[policy_version]
            self.newest = _evaluate(policy_version, episodes, wall_seconds, training_step)
            self._complete.append(self.newest)
            if self.best is not None and self.newest.rank <= self.best.rank:
                return False
            self.best = self.newest
            return True

    def take_complete(self) -> list[Evaluation]:
        """Evaluations completed since the last call, for the record."""
        with self._lock:
            complete = list(self._complete)
            self._complete.clear()
        return complete

    def state_dict(self) -> dict[str, Any]:
        """All of it but `episodes_per_version`, as JSON has it."""
        with self._lock:
            return {
                "best": self.best and dict(vars(self.best)),
                "newest": self.newest and dict(vars(self.newest)),
                "best_lap": self.best_lap and _record_state(self.best_lap),
                "newest_lap": self.newest_lap and _record_state(self.newest_lap),
                "first_lap": self.first_lap and _record_state(self.first_lap),
                "laps_clean": self.laps_clean,
                "laps_total": self.laps_total,
                "unfinished": [
                    {"policy_version": version, "episodes": [_summary_state(summary) for summary in episodes]}
                    for version, episodes in self._episodes.items()
                ],
                "unrecorded": [dict(vars(evaluation)) for evaluation in self._complete],
            }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from a state; what was gathered before is gone."""
        with self._lock:
            self.best = state["best"] and Evaluation(**state["best"])
            self.newest = state["newest"] and Evaluation(**state["newest"])
            self.best_lap = state["best_lap"] and _record(state["best_lap"])
            self.newest_lap = state["newest_lap"] and _record(state["newest_lap"])
            self.first_lap = state["first_lap"] and _record(state["first_lap"])
            self.laps_clean, self.laps_total = state["laps_clean"], state["laps_total"]
            self._episodes = {
                unfinished["policy_version"]: [_summary(summary) for summary in unfinished["episodes"]]
                for unfinished in state["unfinished"]
            }
            self._complete = deque(Evaluation(**evaluation) for evaluation in state["unrecorded"])


def _record_state(record: LapRecord) -> dict[str, Any]:
    return {**vars(record), "lap": _lap_state(record.lap)}


def _record(state: Mapping[str, Any]) -> LapRecord:
    return LapRecord(**{**state, "lap": _lap(state["lap"])})


def _summary_state(summary: EpisodeSummary) -> dict[str, Any]:
    laps = [_lap_state(lap) for lap in summary.laps]
    return {**vars(summary), "metrics": dict(summary.metrics), "laps": laps}


def _summary(state: Mapping[str, Any]) -> EpisodeSummary:
    return EpisodeSummary(**{**state, "laps": tuple(_lap(lap) for lap in state["laps"])})


def _lap_state(lap: Lap) -> dict[str, Any]:
    return {**vars(lap), "sector_times_seconds": list(lap.sector_times_seconds)}


def _lap(state: Mapping[str, Any]) -> Lap:
    return Lap(**{**state, "sector_times_seconds": tuple(state["sector_times_seconds"])})


def _evaluate(
    policy_version: int, episodes: list[EpisodeSummary], wall_seconds: float, training_step: int
) -> Evaluation:
    laps = [lap for episode in episodes for lap in episode.laps]
    times = [lap.time_seconds for lap in laps]
    flying = [lap.time_seconds for lap in laps if not lap.standing_start]
    # A start that was lost on the way to the line is no less lost than a lap.
    has_laps = any(episode.laps_started for episode in episodes)
    started = sum(max(episode.laps_started, 1) for episode in episodes) if has_laps else 0
    return Evaluation(
        policy_version=policy_version,
        episodes=len(episodes),
        mean_return=sum(episode.episode_return for episode in episodes) / len(episodes),
        best_lap_seconds=min(times, default=None),
        median_lap_seconds=statistics.median(flying or times) if times else None,
        clean_fraction=len(times) / started if started else None,
        wall_seconds=wall_seconds,
        training_step=training_step,
    )
