"""Which version is kept as best."""

import json
from typing import Any

import pytest

from distrib_l2r.trajectory import EpisodeSummary, Lap
from learner_service.evaluation import Evaluations, LapRecord


def episode(
    *lap_seconds: float, started: int | None = None, episode_return: float = 0.0, standing: bool = False
) -> EpisodeSummary:
    """An evaluation episode with these laps, the first of them from a standing start if `standing`."""
    laps = tuple(
        Lap(number=number, time_seconds=seconds, sector_times_seconds=(), standing_start=standing and number == 1)
        for number, seconds in enumerate(lap_seconds, start=1)
    )
    return EpisodeSummary(
        length=100,
        episode_return=episode_return,
        laps=laps,
        laps_started=len(laps) if started is None else started,
    )


def evaluate(evaluations: Evaluations, version: int, *episodes: EpisodeSummary) -> bool:
    """Whether the version became the best with the last of its episodes."""
    became = [evaluations.add_episode(version, summary, [], wall_seconds=1.0, training_step=9) for summary in episodes]
    assert not any(became[:-1]), "a version is judged only once its evaluation is complete"
    return became[-1]


def test_the_best_version_has_the_least_median_lap_not_the_fastest_lap() -> None:
    evaluations = Evaluations(episodes_per_version=2)
    assert evaluate(evaluations, 1, episode(50.0, 50.1), episode(50.1, 50.2))
    assert not evaluate(evaluations, 2, episode(49.0, 53.0), episode(53.0, 53.0))
    assert evaluate(evaluations, 3, episode(50.0, 50.0), episode(50.0, 50.0))
    assert evaluations.best is not None
    assert evaluations.best.policy_version == 3
    assert evaluations.best.median_lap_seconds == 50.0


def test_a_version_that_lost_a_lap_never_replaces_one_that_lost_none() -> None:
    evaluations = Evaluations(episodes_per_version=2)
    assert evaluate(evaluations, 1, episode(60.0), episode(60.0))
    assert not evaluate(evaluations, 2, episode(45.0, episode_return=900.0), episode(started=1, episode_return=900.0))
    assert evaluations.newest is not None
    assert evaluations.newest.clean_fraction == 0.5


def test_a_start_that_never_reached_the_line_is_a_lost_lap() -> None:
    evaluations = Evaluations(episodes_per_version=2)
    assert evaluate(evaluations, 1, episode(60.0), episode(60.0))
    assert not evaluate(evaluations, 2, episode(45.0, 45.0), episode(started=0))
    assert evaluations.newest is not None
    assert evaluations.newest.clean_fraction == pytest.approx(2 / 3)


def test_an_environment_without_laps_has_no_clean_fraction() -> None:
    evaluations = Evaluations(episodes_per_version=2)
    assert evaluate(evaluations, 1, episode(started=0, episode_return=3.0), episode(started=0))
    assert evaluations.newest is not None
    assert evaluations.newest.clean_fraction is None


def test_before_any_clean_evaluation_the_mean_return_decides() -> None:
    evaluations = Evaluations(episodes_per_version=1)
    assert evaluate(evaluations, 1, episode(started=1, episode_return=10.0))
    assert not evaluate(evaluations, 2, episode(started=1, episode_return=9.0))
    assert evaluate(evaluations, 3, episode(90.0, episode_return=-5.0))


@pytest.mark.parametrize(("laps", "median"), [((55.0, 50.0, 50.2), 50.1), ((55.0,), 55.0)])
def test_flying_laps_count_where_there_are_any(laps: tuple[float, ...], median: float) -> None:
    evaluations = Evaluations(episodes_per_version=1)
    evaluate(evaluations, 1, episode(*laps, standing=True))
    assert evaluations.newest is not None
    assert evaluations.newest.median_lap_seconds == pytest.approx(median)


def record(version: int, seconds: float) -> LapRecord:
    lap = Lap(number=1, time_seconds=seconds, sector_times_seconds=(seconds / 3, seconds * 2 / 3), standing_start=True)
    return LapRecord(lap=lap, policy_version=version, wall_seconds=2.5, worker_name="evaluator")


def gathered() -> Evaluations:
    """With a best, a newest that is another, laps, one evaluation that nobody recorded yet and one unfinished."""
    evaluations = Evaluations(episodes_per_version=2)
    evaluations.add_training_laps([record(1, 70.0)])
    evaluate(evaluations, 1, episode(50.0, 51.0), episode(50.5))
    evaluations.take_complete()
    evaluate(evaluations, 2, episode(60.0), episode(started=1, episode_return=3.0))
    summary = EpisodeSummary(length=9, episode_return=4.0, metrics={"speed": 3.0}, laps_started=2)
    for version, seconds in ((3, 49.0), (4, 55.0)):
        evaluations.add_episode(version, summary, [record(version, seconds)], wall_seconds=3.0, training_step=11)
    return evaluations


def all_of(evaluations: Evaluations) -> dict[str, Any]:
    return {name: value for name, value in vars(evaluations).items() if name != "_lock"}


def test_a_state_goes_through_json_and_back() -> None:
    evaluations, restored = gathered(), Evaluations(episodes_per_version=2)
    restored.load_state_dict(json.loads(json.dumps(evaluations.state_dict())))
    assert all_of(restored) == all_of(evaluations)
    assert restored.first_lap == record(1, 70.0)
    assert restored.best_lap == record(3, 49.0)
    assert restored.newest_lap == record(4, 55.0)
    # One more episode completes version 3 in both, and makes it the best of neither or both.
    for one in (evaluations, restored):
        assert one.add_episode(3, episode(40.0, 40.0, started=2), [], wall_seconds=4.0, training_step=12) is False
    assert all_of(restored) == all_of(evaluations)
    assert [evaluation.policy_version for evaluation in restored.take_complete()] == [2, 3]


def test_a_state_is_a_copy() -> None:
    evaluations = gathered()
    state = evaluations.state_dict()
    before = json.dumps(state)
    evaluate(evaluations, 3, episode(40.0))
    evaluate(evaluations, 7, episode(30.0), episode(30.0))
    assert json.dumps(state) == before


def test_a_state_of_nothing_yet_replaces_everything() -> None:
    evaluations, empty = gathered(), Evaluations(episodes_per_version=2)
    evaluations.load_state_dict(empty.state_dict())
    assert all_of(evaluations) == all_of(empty)
