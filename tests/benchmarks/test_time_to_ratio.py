import json
from pathlib import Path

import pytest

from deploy.local.config import Config
from tests.benchmarks import worker_scaling
from tests.benchmarks.launched_run import read_attempts
from tests.benchmarks.paced_launch import PacedPrograms
from tests.benchmarks.time_to_ratio import (
    Attempt,
    TimesFaster,
    best_so_far,
    median_seconds,
    seconds_to_ratio,
    times_faster,
)
from tests.benchmarks.versus_stable_baselines3 import Flags, conclude, draw, read_evaluations

LEARNING = [
    Attempt(seconds=1.0, lap_ratio=None),
    Attempt(seconds=2.0, lap_ratio=1.6),
    Attempt(seconds=3.0, lap_ratio=None),
    Attempt(seconds=4.0, lap_ratio=1.7),
    Attempt(seconds=5.0, lap_ratio=1.1),
    Attempt(seconds=6.0, lap_ratio=1.05),
]


@pytest.mark.parametrize(("ratio", "seconds"), [(2.0, 2.0), (1.5, 5.0), (1.1, 5.0), (1.09, 6.0), (1.0, None)])
def test_time_to_a_ratio_is_that_of_the_first_lap_within_it(ratio: float, seconds: float | None) -> None:
    assert seconds_to_ratio(LEARNING, ratio) == seconds


def test_without_a_ratio_any_lap_counts() -> None:
    assert seconds_to_ratio(LEARNING) == 2.0
    assert seconds_to_ratio(LEARNING[:1]) is None


def test_the_best_so_far_has_improvements_alone() -> None:
    assert best_so_far(LEARNING) == [(2.0, 1.6), (5.0, 1.1), (6.0, 1.05)]


def test_a_run_that_did_not_arrive_counts_as_longer_than_all_others() -> None:
    assert median_seconds([30.0, None, 10.0]) == 30.0
    assert median_seconds([None, 10.0, None]) is None
    assert median_seconds([20.0, 10.0]) == 15.0
    assert median_seconds([20.0, None]) is None


def test_the_budget_bounds_the_ratio_of_a_run_that_did_not_arrive() -> None:
    assert times_faster(10.0, 40.0, 480.0) == TimesFaster(ratio=4.0, is_lower_bound=False)
    assert times_faster(10.0, None, 480.0) == TimesFaster(ratio=48.0, is_lower_bound=True)
    assert times_faster(None, None, 480.0) is None


def test_a_run_directory_is_read_as_attempts(tmp_path: Path) -> None:
    lines = [{"wall_seconds": 1.5, "best_lap_seconds": None}, {"wall_seconds": 3.0, "best_lap_seconds": 60.0}]
    (tmp_path / "evaluations.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert read_attempts(tmp_path, optimum_seconds=40.0) == [
        Attempt(seconds=1.5, lap_ratio=None),
        Attempt(seconds=3.0, lap_ratio=1.5),
    ]


def test_what_stable_baselines3_printed_is_read_as_attempts(tmp_path: Path) -> None:
    lines = [{"settings": {}}, {"seconds": 2.0, "lap_ratio": 1.3, "steps": 800, "updates": 100}]
    (tmp_path / "run.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    attempts, effort = read_evaluations(tmp_path / "run.jsonl")
    assert attempts == [Attempt(seconds=2.0, lap_ratio=1.3)]
    assert effort == {"steps": 800, "updates": 100}


def test_the_comparison_says_where_its_ratio_is_a_lower_bound(tmp_path: Path) -> None:
    figures = {"ours": (40.0, 8.0), "sb3_defaults": (None, None), "sb3_tuned": (200.0, 80.0)}
    rows = [
        {
            "side": side,
            "seconds": seconds,
            "first_lap_seconds": first,
            "best_lap_ratio": first and 1.05,
            "curve": [(first, 1.5), (seconds, 1.05)] if first else [],
        }
        for side, (seconds, first) in figures.items()
    ]
    result = conclude(Flags(minutes=8.0), rows)
    assert result["seconds"] == {"ours": 40.0, "sb3_defaults": "> budget", "sb3_tuned": 200.0}
    assert result["seconds_ratio"] == {"sb3_defaults": "> 12.00", "sb3_tuned": "5.00"}
    assert result["first_lap_seconds_ratio"] == {"sb3_defaults": "> 60.00", "sb3_tuned": "10.00"}
    draw(tmp_path / "comparison.png", Flags(), rows)
    assert (tmp_path / "comparison.png").read_bytes().startswith(b"\x89PNG")


def test_workers_that_collect_are_paced_and_the_evaluator_is_not() -> None:
    programs = PacedPrograms()
    assert "--env-wrapper" in programs.worker_command("localhost:1", "worker-0", "collect")
    assert "--env-wrapper" not in programs.worker_command("localhost:1", "evaluator", "evaluate")
    assert "--env-wrapper" not in programs.learner_command(Config())


def test_scaling_compares_medians_with_the_fewest_workers(tmp_path: Path) -> None:
    times = {1: [(200.0, None), (240.0, None), (260.0, 800.0)], 8: [(30.0, 100.0), (40.0, 120.0), (50.0, None)]}
    rows = [
        {"workers": workers, "first_lap_seconds": first, "within_1.25_seconds": good, "within_1.10_seconds": None}
        for workers, runs in times.items()
        for first, good in runs
    ]
    flags = worker_scaling.Flags(workers=(1, 8), minutes=15.0)
    result = worker_scaling.conclude(flags, rows)
    assert result["demanded"] == 5.6
    assert result["first_lap"]["speed_up"] == {1: 1.0, 8: 6.0}
    assert not result["first_lap"]["is_lower_bound"]
    assert result["within_1.25"]["speed_up"] == {1: None, 8: 7.5}
    assert result["within_1.25"]["is_lower_bound"]
    assert result["within_1.10"]["speed_up"] == {1: None, 8: None}
    json.dumps(result)
    worker_scaling.draw(tmp_path / "scaling.png", flags, rows, result)
    assert (tmp_path / "scaling.png").read_bytes().startswith(b"\x89PNG")


def test_scaling_without_a_lap_is_still_drawn(tmp_path: Path) -> None:
    rows = [{"workers": 1, "seed": 0, **{f"{name}_seconds": None for name in worker_scaling.RATIOS}}]
    flags = worker_scaling.Flags(workers=(1,), seeds=(0,))
    worker_scaling.draw(tmp_path / "scaling.png", flags, rows, worker_scaling.conclude(flags, rows))
    assert (tmp_path / "scaling.png").read_bytes().startswith(b"\x89PNG")
