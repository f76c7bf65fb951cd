"""Flying laps: stints from random starts, driven by a frozen policy until enough laps are counted."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from deploy.evaluate.course import Course
from distrib_l2r.tensor import Array
from worker_service.columns import Environment, observation_columns
from worker_service.saved_policy import DriveError
from worker_service.simulators.racetrack import Racetrack
from worker_service.simulators.racetrack.environment import CONTROL_SECONDS

Floats = NDArray[np.float64]
Act: TypeAlias = Callable[[Mapping[str, Array]], Array]

LAPS_A_STINT: Final = 5
"""Laps after which the car is put elsewhere: a policy repeats its laps, so new starts tell more than more laps."""

RUN_UP_METRES: Final = 300.0
"""A start nearer before the line is drawn again: the car would begin its lap slower than flying."""

STINT_ARGUMENTS: Final[Mapping[str, Any]] = {"start": "random", "laps": LAPS_A_STINT, "max_steps": None}
"""Of the environment, whatever the run had: its limit of steps would cut laps short that nothing is wrong with."""

ENDINGS: Final = ("off_track", "spun", "reversed", "stalled")
"""Metrics of an episode that say why it was terminated."""

TOO_SLOW: Final = "too_slow"
"""The ending of a stint whose laps took longer than at 8 m/s on average."""


@dataclass(frozen=True, eq=False, kw_only=True)
class FlyingLap:
    """A completed lap that began at the line at speed.

    Attributes:
        number: of the stint, from 1.
        time_seconds: from line to line.
        sector_times_seconds: of the three thirds of the centre line.
        course: where the car was and when.
    """

    number: int
    time_seconds: float
    sector_times_seconds: tuple[float, ...]
    course: Course


@dataclass(frozen=True, eq=False, kw_only=True)
class Stint:
    """What became of one random start."""

    seed: int
    """That the environment was reset with."""
    start_metres: float
    """Where it began, along the centre line from the line."""
    laps: tuple[FlyingLap, ...]
    """Completed, in order."""
    laps_begun: int
    """The completed ones, and one that was lost."""
    ending: str
    """all_laps, off_track, spun, reversed, stalled or too_slow."""

    @property
    def laps_counted(self) -> int:
        """Laps begun; one for a start that never reached the line."""
        return max(1, self.laps_begun)


def drive_laps(
    environment: Environment, act: Act, *, laps: int, seed: int, report: Callable[[list[Stint]], None]
) -> list[Stint]:
    """Drives stints until at least `laps` laps were begun and have ended, starts lost before the line among them.

    Args:
        environment: a racetrack made with `STINT_ARGUMENTS`, wrapped or not.
        act: chooses the action for an observation by column, deterministically.
        seed: of the first stint; the next take the numbers after it.
        report: is called with all stints so far after each.

    Raises:
        DriveError: the environment is no racetrack.
    """
    stints: list[Stint] = []
    while sum(stint.laps_counted for stint in stints) < laps:
        stints.append(_drive_stint(environment, act, seed + len(stints)))
        report(stints)
    return stints


def racetrack(environment: Environment) -> Racetrack:
    """The racetrack within its wrappers.

    Raises:
        DriveError: there is none, or it is several tracks in turn.
    """
    inner = environment.unwrapped
    if not isinstance(inner, Racetrack):
        raise DriveError(f"{environment} is no racetrack; its id must stand for the embedded car: use its own id")
    if inner.track_count > 1:
        raise DriveError(
            f"the policy's episodes are on {inner.track_count} tracks in turn; laps of one are to be compared: "
            "give for example TRACK=larkfield"
        )
    return inner


def _drive_stint(environment: Environment, act: Act, seed: int) -> Stint:
    car = racetrack(environment)
    length = car.track.length_metres
    run_up = min(RUN_UP_METRES, 0.5 * length)
    observation, _ = environment.reset(seed=seed)
    while car.state.distance_metres > length - run_up:
        observation, _ = environment.reset()
    start_metres = car.state.distance_metres
    rows = [_row(car, 0)]
    laps: list[FlyingLap] = []
    terminated = truncated = False
    info: dict[str, Any] = {}
    while not (terminated or truncated):
        action = act(observation_columns(observation))
        observation, _, terminated, truncated, info = environment.step(action)
        rows.append(_row(car, len(rows)))
        lap = info.get("lap")
        if lap is not None and not lap["standing_start"]:
            laps.append(_flying_lap(lap, np.array(rows), length))
    metrics = info["metrics"]
    ending = "all_laps"
    if metrics["laps_completed"] < LAPS_A_STINT:
        ending = next((name for name in ENDINGS if metrics[name]), TOO_SLOW)
    return Stint(
        seed=seed,
        start_metres=start_metres,
        laps=tuple(laps),
        laps_begun=int(metrics["laps_started"]),
        ending=ending,
    )


def _row(car: Racetrack, step: int) -> tuple[float, ...]:
    state = car.state
    return (
        state.distance_metres,
        step * CONTROL_SECONDS,
        state.x_metres,
        state.y_metres,
        state.speed_metres_per_second,
    )


def _flying_lap(lap: Mapping[str, Any], rows: Floats, length_metres: float) -> FlyingLap:
    """The lap whose number is in `lap`, cut out of all of a stint's rows exactly at the line, as the lap clock does."""
    rows[:, 0] = np.maximum.accumulate(rows[:, 0] - lap["number"] * length_metres)
    line = [[float(np.interp(at, rows[:, 0], column)) for column in rows.T] for at in (0.0, length_metres)]
    inside = (rows[:, 0] > 0.0) & (rows[:, 0] < length_metres)
    table = np.vstack([line[0], rows[inside], line[1]])
    return FlyingLap(
        number=lap["number"],
        time_seconds=lap["time_seconds"],
        sector_times_seconds=tuple(lap["sector_times_seconds"]),
        course=Course(
            distance_metres=table[:, 0],
            elapsed_seconds=table[:, 1] - table[0, 1],
            points=table[:, 2:4],
            speed_metres_per_second=table[:, 4],
        ),
    )
