"""The evaluation: every policy driven, its figures, and the aggregate over all of them."""

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from deploy.evaluate.config import Config, load_policies, races
from deploy.evaluate.course import Course, optimal_course
from deploy.evaluate.laps import STINT_ARGUMENTS, FlyingLap, Stint, drive_laps, racetrack
from deploy.evaluate.progress import Progress
from deploy.evaluate.statistics import (
    Estimate,
    LapFigures,
    ReturnFigures,
    interquartile_mean,
    lap_figures,
    mean,
    return_figures,
)
from deploy.local.config import ConfigError
from worker_service.actor import Actor
from worker_service.columns import Environment, observation_columns
from worker_service.drive import Episode, drive_episode
from worker_service.environment import environment_spaces, load_wrapper, make_environment
from worker_service.saved_policy import SavedPolicy
from worker_service.simulators.racetrack.optimum import Optimum, find_optimum
from worker_service.simulators.racetrack.track import Track

IN_SECONDS = ("median_seconds", "minimum_seconds")
"""Figures that compare laps of one track alone."""

LAP_SCORES = ("median_ratio", "minimum_ratio", *IN_SECONDS)
"""Figures of a policy's laps whose interquartile mean is taken."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Race:
    """What a policy drove on a racetrack."""

    arguments: Mapping[str, Any]
    """Of the environment."""
    track: Track
    optimum: Optimum | None
    stints: Sequence[Stint]
    figures: LapFigures

    @property
    def laps(self) -> list[FlyingLap]:
        """All clean laps in the order driven."""
        return [lap for stint in self.stints for lap in stint.laps]

    @property
    def median_lap(self) -> FlyingLap | None:
        """The clean lap at the middle, the faster of two; None without one."""
        laps = sorted(self.laps, key=lambda lap: lap.time_seconds)
        return laps[(len(laps) - 1) // 2] if laps else None

    @property
    def optimal_course(self) -> Course | None:
        """The optimal lap; None where it is not known."""
        return optimal_course(self.optimum, self.track.length_metres) if self.optimum else None


@dataclass(frozen=True, eq=False, kw_only=True)
class Play:
    """What a policy drove where there are no laps."""

    arguments: Mapping[str, Any]
    """Of the environment."""
    episodes: Sequence[Episode]
    figures: ReturnFigures


@dataclass(frozen=True, eq=False, kw_only=True)
class Result:
    """A policy and how it did."""

    folder: Path
    saved: SavedPolicy
    driven: Race | Play

    @property
    def label(self) -> str:
        """The run's name where the folder is within one, else the folder's."""
        folder = self.folder.resolve()
        return folder.parent.name if folder.name in ("best", "newest") else folder.name


@dataclass(frozen=True, kw_only=True)
class Aggregate:
    """Figures over all policies."""

    interquartile_means: dict[str, Estimate] = field(default_factory=dict)
    """By the name of each policy's figure."""
    mean_completion: Estimate | None = None
    """A mean: an interquartile mean would cut off the very seeds that lose their laps."""
    absent: str | None = None
    """Why figures are missing, one sentence; None if they are all there."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Evaluation:
    """All that was found."""

    config: Config
    results: Sequence[Result]
    aggregate: Aggregate | None
    """None for a single policy."""
    wall_seconds: float

    @property
    def races(self) -> list[tuple[Result, Race]]:
        """The results that are races, with them."""
        return [(result, result.driven) for result in self.results if isinstance(result.driven, Race)]


def evaluate(config: Config, progress: Progress) -> Evaluation:
    """Drives every policy and works the figures out.

    Raises:
        ConfigError: a policy cannot be read, or not be driven in its environment.
        ValueError: the environment refused an action.
        OSError: a file cannot be read.
    """
    started = time.monotonic()
    policies = load_policies(config)
    results = []
    for folder, saved in zip(config.policies, policies, strict=True):
        progress.begin(str(folder), config.laps)
        results.append(Result(folder=folder, saved=saved, driven=_drive(config, folder, saved, progress)))
    aggregate = aggregated(results) if len(results) > 1 else None
    return Evaluation(config=config, results=results, aggregate=aggregate, wall_seconds=time.monotonic() - started)


def aggregated(results: Sequence[Result]) -> Aggregate:
    """The figures over policies, tracks being the strata."""
    runs = [(result.folder.resolve().parent, result.saved.run_id) for result in results]
    if len(set(runs)) < len(runs):
        return Aggregate(absent="two policies are of one run, and only those of different runs are seeds to aggregate")
    if all(isinstance(result.driven, Play) for result in results):
        returns = [result.driven.figures.mean_return.value for result in results if isinstance(result.driven, Play)]
        return Aggregate(interquartile_means={"mean_return": interquartile_mean([returns])})
    strata: dict[str, list[dict[str, Any]]] = {}
    for result in results:
        assert isinstance(result.driven, Race)
        strata.setdefault(result.driven.track.name, []).append(asdict(result.driven.figures))
    scores = [name for name in LAP_SCORES if len(strata) == 1 or name not in IN_SECONDS]
    complete = [name for name in scores if all(row[name] is not None for rows in strata.values() for row in rows)]
    means = {name: interquartile_mean([[row[name] for row in rows] for rows in strata.values()]) for name in complete}
    completion = mean([[row["completion"] for row in rows] for rows in strata.values()])
    lapless = [result.label for result in results if isinstance(result.driven, Race) and not result.driven.laps]
    absent = None
    if lapless:
        absent = f"{', '.join(lapless)} completed no lap: aggregated times of the others alone would flatter"
    elif completion.low is None:
        absent = "a track has one policy alone, and resampling within a track needs two: there is no interval"
    return Aggregate(interquartile_means=means, mean_completion=completion, absent=absent)


def _drive(config: Config, folder: Path, saved: SavedPolicy, progress: Progress) -> Race | Play:
    racing = races(saved.environment_id)
    arguments = dict(saved.arguments)
    if racing:
        arguments.update(STINT_ARGUMENTS)
        if config.track is not None:
            arguments["track"] = config.track
    wrapper = load_wrapper(config.env_wrapper) if config.env_wrapper else None
    try:
        environment = make_environment(saved.environment_id, arguments, wrapper)
    except Exception as error:
        # Gymnasium's errors, and whatever the environment raises about its arguments.
        raise ConfigError(f"{folder} drives {saved.environment_id}, which cannot be made here: {error}") from error
    with closing(environment):
        actor = _ready_actor(folder, saved, environment)
        if racing:
            return _race(config, environment, actor, arguments, progress)
        return _play(config, environment, actor, arguments, progress)


def _race(
    config: Config, environment: Environment, actor: Actor, arguments: Mapping[str, Any], progress: Progress
) -> Race:
    car = racetrack(environment)
    optimum = find_optimum(car.track, car.vehicle)

    def report(stints: list[Stint]) -> None:
        figures = lap_figures(stints, None)
        fastest = "" if figures.minimum_seconds is None else f", fastest {figures.minimum_seconds:.3f} s"
        counted = figures.laps_begun + figures.starts_lost
        progress.show(counted, f"{figures.laps_clean} of {counted} laps clean{fastest}")

    stints = drive_laps(environment, actor.act, laps=config.laps, seed=config.seed, report=report)
    figures = lap_figures(stints, optimum.flying_lap_seconds if optimum else None)
    return Race(arguments=arguments, track=car.track, optimum=optimum, stints=stints, figures=figures)


def _play(
    config: Config, environment: Environment, actor: Actor, arguments: Mapping[str, Any], progress: Progress
) -> Play:
    episodes: list[Episode] = []
    for number in range(config.laps):
        episodes.append(drive_episode(environment, actor, number=number, seed=config.seed + number))
        average = sum(episode.episode_return for episode in episodes) / len(episodes)
        progress.show(len(episodes), f"{len(episodes)} episodes, mean return {average:,.2f}")
    return Play(
        arguments=arguments, episodes=episodes, figures=return_figures([episode.episode_return for episode in episodes])
    )


def _ready_actor(folder: Path, saved: SavedPolicy, environment: Environment) -> Actor:
    """The policy's actor, shown to understand the environment's observations."""
    observation, _ = environment.reset(seed=0)
    try:
        actor = Actor(saved.graph, environment_spaces(environment))
        actor.load(saved.version)
        actor.act(observation_columns(observation))
    except Exception as error:
        # onnxruntime's errors have no base in common.
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConfigError(
            f"{folder} cannot act in {saved.environment_id} ({reason}): its graph must take these observations; "
            "give the --env-wrapper that its workers had"
        ) from error
    return actor
