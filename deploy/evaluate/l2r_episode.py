"""An episode driven for Learn-to-Race's metrics."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from worker_service.columns import Environment
from worker_service.saved_policy import DriveError
from worker_service.simulators.l2r.course import Course
from worker_service.simulators.l2r.metrics import EpisodeTrace, L2RMetrics, l2r_metrics, wheels_out
from worker_service.simulators.racetrack import CarState, Racetrack
from worker_service.simulators.racetrack.environment import CONTROL_SECONDS
from worker_service.simulators.racetrack.track import Track

CAUSES: Final = ("off_track", "spun", "reversed", "stalled", "out_of_bounds", "stuck", "not_progressing")
"""Metrics of either environment that are not 0 when an episode ended so."""

Act: TypeAlias = Callable[[Any], NDArray[Any]]
"""An action for an observation."""


@dataclass(frozen=True, kw_only=True)
class DrivenEpisode:
    """An episode from a standing start on the line, and its metrics."""

    driver: str
    """Who drove: the policy, or the driver without learning that comes with the car."""
    track: str
    laps_asked: int
    lap_times_seconds: list[float]
    """Of the completed laps, the first from the standing start."""
    ending: str
    """finished, out_of_time, or one of `CAUSES`."""
    metrics: L2RMetrics


def drive_episode(environment: Environment, act: Act, *, driver: str, laps: int) -> DrivenEpisode:
    """Drives one episode to its end.

    Args:
        environment: a `Racetrack` or `LearnToRace`, perhaps wrapped, that ends after `laps` laps.
        act: chooses the actions.
        driver: who that is.
        laps: asked for.

    Raises:
        DriveError: the environment is neither.
        ValueError: the episode is too short for metrics.
    """
    car, track = bare_car(environment)
    observation, _ = environment.reset(seed=0, options={"start": "standing"})
    states, lap_times, ended = [car.state], [], False
    info: Mapping[str, Any] = {}
    while not ended:
        observation, _, terminated, truncated, info = environment.step(act(observation))
        ended = terminated or truncated
        states.append(car.state)
        if "lap" in info:
            lap_times.append(float(info["lap"]["time_seconds"]))
    causes = [cause for cause in CAUSES if info["metrics"].get(cause)]
    ending = causes[0] if causes else "finished" if len(lap_times) >= laps else "out_of_time"
    # Learn-to-Race's environment has its own clock, and has counted corners by it.
    trace = episode_trace(states, track) if isinstance(car, Racetrack) else car.trace
    metrics = l2r_metrics(trace, track, laps)
    return DrivenEpisode(
        driver=driver,
        track=track.name,
        laps_asked=laps,
        lap_times_seconds=lap_times,
        ending=ending,
        metrics=metrics,
    )


def episode_trace(states: list[CarState], track: Track) -> EpisodeTrace:
    """The trace of states at the beginning and after each step."""
    rows = {name: np.array([getattr(state, name) for state in states]) for name in CarState.__dataclass_fields__}
    yaws = rows["yaw_radians"]
    forward, sideways = rows["forward_metres_per_second"], rows["sideways_metres_per_second"]
    positions = np.stack([rows["x_metres"], rows["y_metres"]], axis=1)
    velocities = np.stack(
        [
            forward * np.cos(yaws) - sideways * np.sin(yaws),
            forward * np.sin(yaws) + sideways * np.cos(yaws),
        ],
        axis=1,
    )
    return EpisodeTrace(
        positions=positions,
        velocities=velocities,
        offsets=rows["offset_metres"],
        wheels_out=wheels_out(positions, yaws, rows["arc_metres"], track),
        distances=rows["distance_metres"] - rows["distance_metres"][0],
        step_seconds=CONTROL_SECONDS,
    )


def bare_car(environment: Environment) -> tuple[Any, Track]:
    """The `Racetrack` or `LearnToRace` within its wrappers, whose `state` says where the car is; and its track.

    Raises:
        DriveError: there is neither.
    """
    car = environment.unwrapped
    if isinstance(car, Racetrack):
        return car, car.track
    course = getattr(car, "course", None)
    if isinstance(course, Course):
        return car, course.track
    raise DriveError(f"{environment} is no car on a track; its wrapper must keep `unwrapped` as it is")
