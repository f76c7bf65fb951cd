import pytest

from tests.l2r.courses import ring
from worker_service.simulators.l2r.progress import Progress
from worker_service.simulators.l2r.reward import REWARDS, centred, gran_turismo

POINTS = 750


def progress(*, laps: int = 1, max_steps: int = 5000, start: int = 0) -> Progress:
    counted = Progress(ring(), laps=laps, max_steps=max_steps)
    counted.begin(start)
    return counted


def run(counted: Progress, indices: list[int], *, step_seconds: float = 0.1) -> list[dict[str, object]]:
    """Steps to these indices; the laps on the way."""
    laps = []
    for index in indices:
        _, lap = counted.step(index % POINTS, (counted.steps + 1) * step_seconds)
        if lap is not None:
            laps.append(lap)
    return laps


def test_backing_over_the_start_line_costs_what_it_should() -> None:
    counted = progress(start=2)
    change, _ = counted.step(POINTS - 3, 0.1)
    assert change == -5, "and not nearly a lap forwards"
    change, _ = counted.step(4, 0.2)
    assert change == 7


@pytest.mark.parametrize(
    ("points", "speed", "out", "reward"),
    [(9, 45.0, False, 9.0), (9, 45.0, True, 9.0 - 225.0), (0, 1.0, True, -25.0), (-5, 3.0, False, -5.0)],
)
def test_gran_turismo_pays_points_and_fines_by_speed(points: int, speed: float, out: bool, reward: float) -> None:
    assert gran_turismo(points, speed, 0.0, out) == reward
    assert REWARDS["GranTurismo"] is gran_turismo


def test_custom_reward_pays_one_more_near_the_centre_line_forwards() -> None:
    assert centred(3, 10.0, 0.9, False) == 4.0
    assert centred(3, 10.0, 1.1, False) == 3.0
    assert centred(0, 10.0, 0.0, False) == 0.0


def test_lap_time_is_interpolated_at_the_start_point() -> None:
    counted = progress(start=700)
    # Ten points a step from 700: the start is passed exactly between two steps, four tenths of the way.
    laps = run(counted, [706 + 10 * k for k in range(80)])
    assert [lap["number"] for lap in laps] == [1]
    assert laps[0]["time_seconds"] == pytest.approx(7.5 - 0.06 + 0.1)
    assert laps[0]["standing_start"] is True
    assert counted.ending(0) == "success"


def test_second_lap_begins_where_the_first_ended() -> None:
    counted = progress(laps=2)
    laps = run(counted, [10 * k for k in range(1, 151)])
    assert [lap["time_seconds"] for lap in laps] == [pytest.approx(7.5), pytest.approx(7.5)]
    assert [lap["standing_start"] for lap in laps] == [True, False]


def test_oscillating_about_the_start_is_no_lap() -> None:
    counted = progress(start=0)
    assert run(counted, [-5, 5, -5, 5, -200, 5]) == []
    assert counted.laps == 0


def test_two_corners_off_the_track_end_the_episode_and_one_does_not() -> None:
    counted = progress()
    run(counted, [5])
    assert counted.ending(1) is None
    assert counted.ending(2) == "out_of_bounds"


def test_car_where_it_was_a_hundred_steps_before_is_stuck() -> None:
    counted = progress()
    run(counted, [7] * 100)
    assert counted.ending(0) is None
    run(counted, [7])
    assert counted.ending(0) == "stuck"


def test_less_than_a_hundred_points_in_299_steps_is_no_progress() -> None:
    slow = progress()
    run(slow, [k // 3 for k in range(1, 299)])
    assert slow.ending(0) is None
    run(slow, [99])
    assert slow.ending(0) == "not_progressing"
    enough = progress()
    run(enough, [k // 2 for k in range(1, 300)])
    assert enough.ending(0) is None


def test_steps_run_out() -> None:
    counted = progress(max_steps=3)
    run(counted, [5, 10, 15])
    assert counted.ending(0) == "did_not_finish"
