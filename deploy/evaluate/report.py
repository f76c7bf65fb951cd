"""The report: evaluation.json with every figure, a line of CSV for each lap or episode, and the tables printed."""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from deploy.evaluate.evaluation import Evaluation, Play, Race, Result
from deploy.evaluate.laps import RUN_UP_METRES, Stint
from deploy.evaluate.statistics import CONFIDENCE, RESAMPLES
from deploy.versions import library_versions

METHOD: Final = (
    "A frozen, deterministic policy. Flying laps alone, in stints from random starts with a run-up; a lap that "
    "ends otherwise than at the line is lost, and so is the first lap of a start that never reaches it (starts_lost). "
    "completion = laps_clean / (laps_begun + starts_lost). Times are of clean laps. Aggregate: interquartile mean over "
    f"policies, of completion the mean; percentile intervals at {100 * CONFIDENCE:.0f} % from {RESAMPLES:,} bootstrap "
    "samples of policies, stratified by track."
)
"""What the figures are, for who finds the file alone."""


def report(evaluation: Evaluation, command: str) -> dict[str, Any]:
    """Everything as JSON has it; `command` is what was typed."""
    config, aggregate = evaluation.config, evaluation.aggregate
    return {
        "command": command,
        "method": METHOD,
        "environment": evaluation.results[0].saved.environment_id,
        "track": config.track,
        "laps_asked": config.laps,
        "seed": config.seed,
        "run_up_metres": RUN_UP_METRES,
        "wall_seconds": evaluation.wall_seconds,
        "versions": library_versions(),
        "policies": [_result(result) for result in evaluation.results],
        "aggregate": None
        if aggregate is None
        else {
            "policies": len(evaluation.results),
            "confidence": CONFIDENCE,
            "absent": aggregate.absent,
            "interquartile_mean": {name: asdict(estimate) for name, estimate in aggregate.interquartile_means.items()},
            "mean_completion": asdict(aggregate.mean_completion) if aggregate.mean_completion else None,
        },
    }


def write_report(path: Path, content: Mapping[str, Any]) -> None:
    """Writes the report as JSON, whole or not at all.

    Raises:
        OSError: the file cannot be written.
    """
    new = path.with_name(path.name + ".new")
    new.write_text(json.dumps(content, indent=2) + "\n")
    new.replace(path)


def write_rows(folder: Path, evaluation: Evaluation) -> Path:
    """Writes laps.csv, a line for each lap clean or lost, or episodes.csv where there are no laps; returns its path.

    Raises:
        OSError: the file cannot be written.
    """
    path = folder / ("laps.csv" if evaluation.races else "episodes.csv")
    rows = [_identity(result) | row for result in evaluation.results for row in _rows(result)]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def _identity(result: Result) -> dict[str, Any]:
    saved = result.saved
    return {"policy": str(result.folder), "run_id": saved.run_id, "policy_version": saved.version.version}


def _result(result: Result) -> dict[str, Any]:
    saved, driven = result.saved, result.driven
    about = _identity(result) | {
        "training_step": saved.version.training_step,
        "graph_fingerprint": saved.version.graph_fingerprint,
        "trained_arguments": dict(saved.arguments),
        "driven_arguments": dict(driven.arguments),
    }
    if isinstance(driven, Play):
        episodes = [_episode(driven, number) for number in range(len(driven.episodes))]
        return about | asdict(driven.figures) | {"episode_list": episodes}
    return (
        about
        | {
            "track": driven.track.name,
            "optimum_lap_seconds": driven.optimum.flying_lap_seconds if driven.optimum else None,
        }
        | asdict(driven.figures)
        | {"endings": _endings(driven), "stints": [_stint(driven, stint) for stint in driven.stints]}
    )


def _endings(race: Race) -> dict[str, int]:
    """How often stints ended in which way."""
    endings = [stint.ending for stint in race.stints]
    return {ending: endings.count(ending) for ending in sorted(set(endings))}


def _stint(race: Race, stint: Stint) -> dict[str, Any]:
    return {
        "seed": stint.seed,
        "start_metres": stint.start_metres,
        "ending": stint.ending,
        "laps_begun": stint.laps_begun,
        "laps": [
            {
                "number": lap.number,
                "time_seconds": lap.time_seconds,
                "sector_times_seconds": list(lap.sector_times_seconds),
                "lap_ratio": _ratio(race, lap.time_seconds),
            }
            for lap in stint.laps
        ],
    }


def _rows(result: Result) -> Iterator[dict[str, Any]]:
    driven = result.driven
    if isinstance(driven, Play):
        yield from (_episode(driven, number) for number in range(len(driven.episodes)))
        return
    for stint in driven.stints:
        common = {"track": driven.track.name, "seed": stint.seed, "start_metres": stint.start_metres}
        for lap in stint.laps:
            yield common | {
                "lap": lap.number,
                "outcome": "clean",
                "time_seconds": lap.time_seconds,
                "lap_ratio": _ratio(driven, lap.time_seconds),
            }
        if stint.laps_counted > len(stint.laps):
            # Lap 0 is the way from a random start to the line.
            yield common | {
                "lap": stint.laps_begun,
                "outcome": stint.ending,
                "time_seconds": None,
                "lap_ratio": None,
            }


def _episode(play: Play, number: int) -> dict[str, Any]:
    episode = play.episodes[number]
    return {
        "episode": number,
        "episode_return": episode.episode_return,
        "steps": episode.steps,
        "ending": episode.ending,
    }


def _ratio(race: Race, seconds: float) -> float | None:
    return seconds / race.optimum.flying_lap_seconds if race.optimum else None
