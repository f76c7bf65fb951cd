from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.racetrack.builders import circle_track
from worker_service.simulators.lap import Lap
from worker_service.simulators.racetrack import Reward
from worker_service.simulators.racetrack.laps import LapClock
from worker_service.simulators.racetrack.track import Track
from worker_service.simulators.racetrack.tracking import MARK_PASSED, PLACE, REVERSED, SPUN, follow
from worker_service.simulators.racetrack.vehicle import CAR

STEP_SECONDS = 0.1


class Puppet:
    """A car set by hand beside arc lengths of a circle."""

    def __init__(self, track: Track, arc_metres: float) -> None:
        self.track = track
        self.car = np.zeros(1, CAR)
        self.place: NDArray[Any] = np.zeros(1, PLACE)
        self.place["arc_metres"] = self.place["distance_metres"] = arc_metres
        self.place["next_mark_metres"] = np.inf

    def move(self, arc_metres: float, offset_metres: float = 0.0, speed: float = 20.0) -> tuple[float, int, float]:
        track = self.track
        angle = arc_metres / track.length_metres * 2.0 * np.pi
        radius = track.length_metres / (2.0 * np.pi) - offset_metres
        self.car["x"], self.car["y"] = radius * np.cos(angle), radius * np.sin(angle)
        self.car["yaw"] = angle + np.pi / 2.0
        self.car["vx"] = speed
        weights = Reward().record()
        stations, spacing = track.stations, track.spacing_metres
        return follow(self.car, self.place, stations, spacing, weights, 0.0, 0.0, STEP_SECONDS, 3.0)


@pytest.mark.parametrize("offset", [-4.0, 0.0, 4.0])
def test_progress_wraps_over_the_line_in_both_directions(offset: float) -> None:
    track = circle_track()
    length = track.length_metres
    puppet = Puppet(track, length - 2.0)
    puppet.move(length - 1.0, offset)
    _, _, forwards = puppet.move(length + 1.0, offset)
    assert forwards == pytest.approx(2.0, abs=0.01)
    assert puppet.place["arc_metres"][0] == pytest.approx(1.0, abs=0.01)
    assert puppet.place["distance_metres"][0] == pytest.approx(length + 1.0, abs=0.01)
    _, _, backwards = puppet.move(length - 1.5, offset)
    assert backwards == pytest.approx(-2.5, abs=0.01)
    assert puppet.place["distance_metres"][0] == pytest.approx(length - 1.5, abs=0.01)


def test_rewards_of_going_back_and_forth_over_the_line_cancel() -> None:
    track = circle_track()
    puppet = Puppet(track, 0.0)
    rewards = [puppet.move(arc)[0] for arc in (0.0, 3.0, -3.0, 3.0, -3.0, 0.0)]
    assert sum(rewards) == pytest.approx(0.0, abs=1e-6)


def test_progress_adds_up_to_the_laps_length_anywhere_on_the_road() -> None:
    track = circle_track()
    puppet = Puppet(track, 0.0)
    random = np.random.default_rng(0)
    for arc in np.arange(1, 150) * track.length_metres / 149:
        puppet.move(arc, random.uniform(-4.5, 4.5))
    assert puppet.place["distance_metres"][0] == pytest.approx(track.length_metres, abs=0.02)


def test_crossing_the_line_twice_counts_once() -> None:
    track = circle_track()
    length = track.length_metres
    puppet = Puppet(track, length - 5.0)
    clock = LapClock(length)
    puppet.place["next_mark_metres"] = clock.restart(standing=False)
    marks = 0
    for arc in (length - 2.0, length + 3.0, length - 3.0, length + 2.0, length + 6.0):
        _, status, progress = puppet.move(arc)
        if status & MARK_PASSED:
            marks += 1
            end = float(puppet.place["distance_metres"][0])
            puppet.place["next_mark_metres"], lap = clock.pass_mark(1.0, STEP_SECONDS, end, progress)
            assert lap is None, "a random start's first crossing only starts the clock"
    assert marks == 1
    assert clock.laps == 0


def test_pointing_the_wrong_way_or_rolling_backwards_ends_the_episode() -> None:
    puppet = Puppet(circle_track(), 10.0)
    _, status, _ = puppet.move(10.0, speed=-2.0)
    assert status & REVERSED
    puppet = Puppet(circle_track(clockwise=True), 10.0)
    puppet.place["arc_metres"] = puppet.track.length_metres - 10.0
    _, status, _ = puppet.move(10.0)
    assert status & SPUN


def laps_at_constant_speed(
    length: float, speed: float, start_metres: float, standing: bool, seconds: float
) -> list[Lap]:
    clock = LapClock(length)
    mark = clock.restart(standing=standing)
    laps = []
    for step in range(1, round(seconds / STEP_SECONDS)):
        end = start_metres + speed * step * STEP_SECONDS
        if end >= mark:
            mark, lap = clock.pass_mark(step * STEP_SECONDS, STEP_SECONDS, end, speed * STEP_SECONDS)
            laps += [lap] if lap else []
    return laps


@pytest.mark.parametrize(("start", "standing"), [(0.0, True), (123.4, False)])
def test_lap_and_sector_times_are_exact_at_constant_speed(start: float, standing: bool) -> None:
    length, speed = 1000.0, 37.3
    laps = laps_at_constant_speed(length, speed, start, standing, 120.0)
    assert [lap.number for lap in laps] == [1, 2, 3, 4][: len(laps)]
    assert len(laps) == (4 if standing else 3)
    assert [lap.standing_start for lap in laps] == [standing] + [False] * (len(laps) - 1)
    for lap in laps:
        assert lap.time_seconds == pytest.approx(length / speed, abs=1e-9)
        assert lap.sector_times_seconds == pytest.approx([length / speed / 3.0] * 3, abs=1e-9)
        assert sum(lap.sector_times_seconds) == pytest.approx(lap.time_seconds, abs=1e-9)


@pytest.mark.parametrize(("standing", "started"), [(True, 1), (False, 0)])
def test_a_lap_has_started_from_the_line_on(standing: bool, started: int) -> None:
    clock = LapClock(300.0)
    clock.restart(standing=standing)
    assert clock.laps_started == started
    laps_at_the_line = 1 if standing else 0
    for mark in range(1, 4):
        clock.pass_mark(10.0 * mark, 0.1, 100.0 * mark, 5.0)
    assert clock.laps == laps_at_the_line
    assert clock.laps_started == laps_at_the_line + 1
