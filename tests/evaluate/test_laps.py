from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from deploy.evaluate.laps import (
    LAPS_A_STINT,
    RUN_UP_METRES,
    STINT_ARGUMENTS,
    TOO_SLOW,
    Act,
    Stint,
    drive_laps,
    racetrack,
)
from distrib_l2r.tensor import Array
from worker_service.columns import Environment
from worker_service.environment import make_environment
from worker_service.saved_policy import DriveError
from worker_service.simulators.racetrack.driver import Driver


@pytest.fixture
def environment() -> Iterator[Environment]:
    made = make_environment("Racetrack-v0", {"track": "kestrel", **STINT_ARGUMENTS})
    yield made
    made.close()


def good_driver(environment: Environment) -> Act:
    car = racetrack(environment)
    driver = Driver(car.track)
    return lambda _: driver.act(car.state)


def drive(environment: Environment, act: Act, laps: int, seed: int = 0) -> list[Stint]:
    return drive_laps(environment, act, laps=laps, seed=seed, report=lambda _: None)


def test_enough_flying_laps_are_driven_from_starts_with_a_run_up(environment: Environment) -> None:
    stints = drive(environment, good_driver(environment), laps=LAPS_A_STINT + 1)
    length = racetrack(environment).track.length_metres
    assert [stint.laps_begun for stint in stints] == [LAPS_A_STINT, LAPS_A_STINT]
    assert [stint.ending for stint in stints] == ["all_laps", "all_laps"]
    assert [stint.seed for stint in stints] == [0, 1]
    assert stints[0].start_metres != stints[1].start_metres
    assert all(stint.start_metres <= length - RUN_UP_METRES for stint in stints)
    times = [lap.time_seconds for stint in stints for lap in stint.laps]
    assert len(times) == 2 * LAPS_A_STINT
    # A lap from rest takes seconds longer.
    assert np.ptp(times) < 0.5


def test_course_of_a_lap_goes_from_line_to_line_in_the_laps_time(environment: Environment) -> None:
    (stint,) = drive(environment, good_driver(environment), laps=1)
    track = racetrack(environment).track
    for lap in stint.laps:
        course = lap.course
        assert course.distance_metres[0] == 0.0
        assert course.distance_metres[-1] == track.length_metres
        assert (np.diff(course.distance_metres) >= 0.0).all()
        assert course.elapsed_seconds[0] == 0.0
        assert course.elapsed_seconds[-1] == pytest.approx(lap.time_seconds, abs=1e-9)
        assert np.hypot(*(course.points[0] - course.points[-1])) < 2.0
        assert sum(lap.sector_times_seconds) == pytest.approx(lap.time_seconds)
        driven = np.hypot(*np.diff(course.points, axis=0).T).sum()
        mean_speed = np.trapezoid(course.speed_metres_per_second, course.elapsed_seconds) / lap.time_seconds
        assert driven == pytest.approx(mean_speed * lap.time_seconds, rel=1e-3)


def test_same_seed_drives_the_same_laps_again(environment: Environment) -> None:
    first, again, other = (
        [lap.time_seconds for stint in drive(environment, good_driver(environment), 1, seed) for lap in stint.laps]
        for seed in (3, 3, 4)
    )
    assert first == again
    assert first != other


def test_lap_that_leaves_the_track_is_begun_and_lost(environment: Environment) -> None:
    car, good = racetrack(environment), good_driver(environment)

    def swerves_in_the_second_lap(observation: Mapping[str, Array]) -> Array:
        swerving = car.state.distance_metres > 2.5 * car.track.length_metres
        return np.array([1.0, 1.0], np.float32) if swerving else good(observation)

    stints = drive(environment, swerves_in_the_second_lap, laps=3)
    # Two stints of two laps each: after the first only two of the three laps have been counted.
    assert [(stint.laps_begun, len(stint.laps)) for stint in stints] == [(2, 1), (2, 1)]
    assert all(stint.ending in ("off_track", "spun") for stint in stints)


def test_start_that_never_reaches_the_line_counts_as_one_lap(environment: Environment) -> None:
    full_throttle = np.array([1.0, 1.0], np.float32)
    stints = drive(environment, lambda _: full_throttle, laps=3)
    assert [(stint.laps_begun, stint.laps_counted, len(stint.laps)) for stint in stints] == [(0, 1, 0)] * 3


def test_car_that_crawls_is_told_from_one_that_finishes(environment: Environment) -> None:
    car = racetrack(environment)
    driver = Driver(car.track)

    def crawls(_: Mapping[str, Array]) -> Array:
        action = driver.act(car.state)
        action[1] = np.clip(1.0 * (4.0 - car.state.speed_metres_per_second), -1.0, 1.0)
        return action

    (stint,) = drive(environment, crawls, laps=1)
    assert stint.ending == TOO_SLOW
    assert stint.laps_counted == len(stint.laps) + 1


def test_every_stint_is_reported(environment: Environment) -> None:
    reported: list[int] = []
    full_throttle = np.array([1.0, 1.0], np.float32)
    drive_laps(environment, lambda _: full_throttle, laps=2, seed=0, report=lambda stints: reported.append(len(stints)))
    assert reported == [1, 2]


def test_environment_without_a_racetrack_is_refused() -> None:
    pendulum: Any = make_environment("Pendulum-v1")
    with pytest.raises(DriveError, match="is no racetrack"):
        racetrack(pendulum)
