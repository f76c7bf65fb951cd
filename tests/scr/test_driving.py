"""Gearbox, driver aids, reward and lap times."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.scr.fake_server import LAP_METRES, Rolling, encode_sensors
from worker_service.simulators.scr.driver_aids import DriverAids
from worker_service.simulators.scr.episode import Episode
from worker_service.simulators.scr.gearbox import Gearbox
from worker_service.simulators.scr.laps import LapTimer
from worker_service.simulators.scr.protocol import Sensors, decode_message
from worker_service.simulators.scr.reward import Reward


def sensed(car: Rolling) -> Sensors:
    message = decode_message(encode_sensors(car.sensors()))
    assert isinstance(message, Sensors)
    return message


@given(st.integers(-1, 5), st.floats(0.0, 9000.0))
def test_the_gearbox_shifts_by_one_gear_within_bounds(gear: int, rpm: float) -> None:
    box = Gearbox()
    shifted = box.shift(gear, rpm)
    assert 1 <= shifted <= box.gears
    assert abs(shifted - max(gear, 1)) <= 1


@pytest.mark.parametrize(
    ("gear", "rpm", "shifted"),
    [(0, 1000, 1), (-1, 5000, 1), (1, 6400, 2), (2, 6200, 2), (2, 2800, 1), (5, 8000, 5), (5, 4400, 4), (1, 900, 1)],
)
def test_the_gearbox_shifts_at_its_speeds(gear: int, rpm: float, shifted: int) -> None:
    assert Gearbox().shift(gear, rpm) == shifted


def test_the_gearbox_never_hunts() -> None:
    """After a shift of p406, whose ratios these are, the engine's speed asks for no shift back."""
    ratios, box = (3.82, 2.15, 1.56, 1.21, 0.97), Gearbox()
    for gear in range(1, box.gears):
        assert box.shift(gear + 1, box.up_rpm[gear - 1] * ratios[gear] / ratios[gear - 1]) == gear + 1
        assert box.shift(gear, box.down_rpm[gear - 1] * ratios[gear - 1] / ratios[gear]) == gear


def test_a_gearbox_of_uneven_lists_is_refused() -> None:
    with pytest.raises(ValueError, match="one for each gear but the first"):
        Gearbox(up_rpm=(1.0,), down_rpm=())


def test_driver_aids_ease_with_slip_alone() -> None:
    aids = DriverAids(wheel_radius_metres=0.5, slip_metres_per_second=2.0, range_metres_per_second=4.0)
    rolling, locked, spinning = (40.0,) * 4, (0.0,) * 4, (40.0, 56.0, 40.0, 40.0)
    assert aids.brake(0.8, 20.0, rolling) == 0.8
    assert aids.brake(0.8, 20.0, locked) == 0.0
    assert aids.brake(0.8, 2.0, locked) == 0.8, "about to stand"
    assert aids.throttle(0.8, 20.0, rolling) == 0.8
    assert aids.throttle(0.8, 20.0, spinning) == 0.0
    assert aids.throttle(0.8, 20.0, (48.0, 40.0, 40.0, 40.0)) == pytest.approx(0.4)


def test_reward_pays_progress_on_the_track_alone() -> None:
    reward = Reward(progress_per_metre=0.1, steer_change=0.5, failure=1.0, off_track_per_metre_per_second=0.2)
    on = reward.of(progress_metres=3.0, steer_change=0.2, speed=30.0, off_track=False, failed=False)
    assert on == pytest.approx(0.3 - 0.5 * 0.04)
    off = reward.of(progress_metres=3.0, steer_change=0.0, speed=30.0, off_track=True, failed=True)
    assert off == pytest.approx(-1.0 - 0.2 * 30.0)
    spun = reward.of(progress_metres=3.0, steer_change=0.0, speed=30.0, off_track=False, failed=True)
    assert spun == pytest.approx(0.3 - 1.0)


FULL = b"(accel 1.0)(brake 0.0)(gear 1)(steer 0.0)(meta 0)"
COAST = b"(accel 0.0)(brake 0.0)(gear 1)(steer 0.0)(meta 0)"


def test_laps_from_the_grid_begin_with_the_clock() -> None:
    car = Rolling()
    timer = LapTimer(sensed(car), from_grid=True)
    laps = []
    for tick in range(6000):
        car.advance(FULL if tick < 150 else COAST)
        lap = timer.add(sensed(car), car.speed)
        if lap is not None:
            laps.append(lap)
            assert lap.time_seconds == pytest.approx(car.last_lap_seconds, abs=1e-3)
            assert sum(lap.sector_times_seconds) == pytest.approx(lap.time_seconds)
    assert [lap.number for lap in laps] == list(range(1, timer.laps + 1))
    assert [lap.standing_start for lap in laps] == [True] + [False] * (len(laps) - 1)
    assert timer.laps_started == timer.laps + 1 == len(laps) + 1
    assert laps[1].time_seconds == pytest.approx(LAP_METRES / car.speed, abs=1e-3)
    assert laps[1].sector_times_seconds == pytest.approx((laps[1].time_seconds / 3,) * 3, abs=1e-2)
    assert timer.race_seconds == pytest.approx(car.seconds)


def test_laps_from_elsewhere_begin_at_the_line_and_are_flying() -> None:
    car = Rolling(metres=-200.0)
    timer = LapTimer(sensed(car), from_grid=False)
    assert timer.laps_started == 0
    laps = []
    for tick in range(3000):
        car.advance(FULL if tick < 100 else COAST)
        if (lap := timer.add(sensed(car), car.speed)) is not None:
            laps.append(lap)
    assert laps
    assert not any(lap.standing_start for lap in laps)
    assert laps[0].time_seconds == pytest.approx(LAP_METRES / car.speed, abs=1e-3), "not the way to the line as well"


def test_a_line_crossed_backwards_completes_no_lap() -> None:
    car = Rolling(metres=-1.0, speed=10.0)
    timer = LapTimer(sensed(car), from_grid=True)
    for speed in (10.0, -10.0, 10.0, -10.0, 10.0):
        car.speed = speed
        car.metres += 2.0 * speed / 10.0
        car.seconds += 0.02
        assert timer.add(sensed(car), car.speed) is None
    assert timer.laps == 0 and timer.laps_started == 1


def driven(car: Rolling, ticks: int, message: bytes = COAST) -> Episode:
    episode = Episode(sensed(car), from_grid=True)
    for _ in range(ticks):
        episode.begin_step()
        car.advance(message)
        episode.add(sensed(car))
        if episode.failed:
            break
    return episode


def test_an_episode_ends_off_the_track() -> None:
    episode = driven(Rolling(speed=20.0), 100, b"(accel 0.0)(brake 0.0)(gear 1)(steer 1.0)(meta 0)")
    assert episode.off_track and episode.failed
    assert episode.metrics(None)["off_track"] == 1.0
    assert episode.metrics(None)["distance_metres"] == pytest.approx(20.0 * 0.02 * episode.steps)


def test_an_episode_ends_where_the_car_stands() -> None:
    episode = driven(Rolling(), 1000)
    assert episode.failed and not episode.off_track
    assert episode.metrics(None)["stalled"] == 1.0
    assert 4.0 < episode.metrics(None)["duration_seconds"] < 4.1


def test_an_episode_ends_with_damage_that_came_in_it() -> None:
    car = Rolling(speed=20.0, damage=500.0)
    assert not driven(car, 10).failed
    episode = Episode(sensed(car), from_grid=True)
    car.damage += 60.0
    car.advance(COAST)
    episode.add(sensed(car))
    assert episode.failed and episode.metrics(None)["damaged"] == 1.0


def test_the_last_lap_asked_for_ends_where_no_other_begins() -> None:
    episode = driven(Rolling(speed=30.0), 600)
    assert episode.laps == 1
    assert episode.metrics(None)["laps_started"] == 2.0
    assert episode.metrics(1)["laps_started"] == 1.0
