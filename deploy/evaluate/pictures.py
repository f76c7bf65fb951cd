"""The pictures of an evaluation: its racing line, its speeds, its lap times."""

from pathlib import Path
from typing import Final

from deploy.evaluate.evaluation import Evaluation, Race, Result
from deploy.evaluate.lap_times import LapTimes, draw_lap_times
from deploy.evaluate.laps import FlyingLap
from deploy.evaluate.speed_over_distance import draw_speed_over_distance
from deploy.pictures.racing_line import draw_racing_line
from deploy.pictures.trace import Trace

LINE_WIDTH_INCHES: Final = 13.0
"""Of the racing line's picture: two lines on one road take more room than one."""


def draw_pictures(folder: Path, evaluation: Evaluation) -> list[Path]:
    """Draws what there is to draw into `folder`; returns the files.

    Racing line and speeds are of the median lap of the policy whose median is best, on its track.

    Raises:
        OSError: a file cannot be written.
    """
    timed = [(result, race, lap) for result, race in evaluation.races if (lap := race.median_lap) is not None]
    if not timed:
        return []
    line, speed, times = (folder / f"{name}.png" for name in ("racing_line", "speed_over_distance", "lap_times"))
    result, race, lap = min(timed, key=lambda entry: entry[1].figures.median_ratio or entry[2].time_seconds)
    about = f"median of {len(race.laps)} clean flying laps  ·  {_compared(race, lap)}{_policy(result, evaluation)}"
    optimal = race.optimal_course
    draw_racing_line(
        line,
        race.track,
        Trace(
            points=lap.course.points,
            speed_metres_per_second=lap.course.speed_metres_per_second,
            lap_seconds=lap.time_seconds,
        ),
        optimal.points if optimal else None,
        title=f"{race.track.name}, {lap.time_seconds:.3f} s",
        subtitle=about,
        width_inches=LINE_WIDTH_INCHES,
    )
    others = [other.course for _, there, other in timed if other is not lap and there.track.name == race.track.name]
    draw_speed_over_distance(
        speed,
        lap.course,
        others,
        optimal,
        title=f"{race.track.name}, {lap.time_seconds:.3f} s",
        subtitle=about,
    )
    draw_lap_times(times, [_lap_times(entry[0], entry[1]) for entry in timed], evaluation.aggregate)
    return [line, speed, times]


def _lap_times(result: Result, race: Race) -> LapTimes:
    return LapTimes(
        label=result.label,
        track=race.track.name,
        seconds=tuple(lap.time_seconds for lap in race.laps),
        optimum_seconds=race.optimum.flying_lap_seconds if race.optimum else None,
        completion=race.figures.completion,
    )


def _compared(race: Race, lap: FlyingLap) -> str:
    if race.optimum is None:
        return ""
    optimum = race.optimum.flying_lap_seconds
    return f"{lap.time_seconds / optimum:.3f} x the optimum of {optimum:.3f} s  ·  "


def _policy(result: Result, evaluation: Evaluation) -> str:
    of = f", the best of {len(evaluation.results)} policies" if len(evaluation.results) > 1 else ""
    return f"{result.label}, version {result.saved.version.version}{of}"
