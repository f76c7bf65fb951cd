from pathlib import Path

import pytest

from deploy.evaluate.evaluation import Play, Race, Result, aggregated
from deploy.evaluate.laps import Stint
from deploy.evaluate.statistics import lap_figures, return_figures
from tests.deploy.policies import save_slow_driver
from tests.evaluate.stints import lost_start, stint
from worker_service.saved_policy import SavedPolicy, load_policy
from worker_service.simulators.racetrack.catalogue import find_track


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> SavedPolicy:
    folder = tmp_path_factory.mktemp("policy")
    save_slow_driver(folder)
    return load_policy(folder)


def raced(saved: SavedPolicy, run: str, *stints: Stint, track: str = "kestrel", optimum: float | None = 40.0) -> Result:
    figures = lap_figures(stints, optimum)
    race = Race(arguments={}, track=find_track(track), optimum=None, stints=stints, figures=figures)
    return Result(folder=Path(run) / "best", saved=saved, driven=race)


def test_seeds_are_aggregated_from_each_ones_own_figures(saved: SavedPolicy) -> None:
    # Medians 42, 44, 46 and 60: of four, the middle two count.
    seeds = [raced(saved, f"seed-{i}", stint(s - 2, s, s + 4)) for i, s in enumerate((42.0, 44.0, 46.0, 60.0))]
    aggregate = aggregated(seeds)
    assert aggregate.absent is None
    assert aggregate.interquartile_means["median_seconds"].value == 45.0
    assert aggregate.interquartile_means["minimum_seconds"].value == 43.0
    ratio = aggregate.interquartile_means["median_ratio"]
    assert ratio.value == pytest.approx(45 / 40)
    assert ratio.low is not None
    assert ratio.high is not None
    assert 42 / 40 <= ratio.low < ratio.value < ratio.high <= 60 / 40


def test_completion_is_a_mean_so_that_no_losing_seed_is_cut_off(saved: SavedPolicy) -> None:
    seeds = [raced(saved, f"seed-{i}", stint(42.0)) for i in range(4)]
    seeds.append(raced(saved, "seed-4", stint(42.0), *[lost_start()] * 3))
    completion = aggregated(seeds).mean_completion
    assert completion is not None
    assert completion.value == pytest.approx((4 + 0.25) / 5)


def test_ratios_alone_are_aggregated_over_several_tracks(saved: SavedPolicy) -> None:
    seeds = [raced(saved, f"k-{i}", stint(42.0), track="kestrel") for i in range(2)]
    seeds += [raced(saved, f"t-{i}", stint(50.0), track="thornwood") for i in range(2)]
    aggregate = aggregated(seeds)
    assert set(aggregate.interquartile_means) == {"median_ratio", "minimum_ratio"}
    ratio = aggregate.interquartile_means["median_ratio"]
    # Seeds of one track are the same here, so resampling within tracks changes nothing.
    assert ratio.low == ratio.high == pytest.approx(ratio.value)


def test_seeds_without_an_optimum_have_no_aggregated_ratios(saved: SavedPolicy) -> None:
    seeds = [raced(saved, f"seed-{i}", stint(42.0 + i), optimum=None) for i in range(2)]
    assert set(aggregated(seeds).interquartile_means) == {"median_seconds", "minimum_seconds"}


def test_seed_without_a_lap_is_named_and_keeps_times_from_being_aggregated(saved: SavedPolicy) -> None:
    aggregate = aggregated([raced(saved, "good", stint(42.0)), raced(saved, "lost", lost_start())])
    assert aggregate.interquartile_means == {}
    assert aggregate.mean_completion is not None
    assert aggregate.mean_completion.value == 0.5
    assert aggregate.absent is not None
    assert aggregate.absent.startswith("lost completed no lap")


def test_lone_seed_of_a_track_leaves_no_interval_and_says_so(saved: SavedPolicy) -> None:
    aggregate = aggregated([raced(saved, "a", stint(42.0)), raced(saved, "b", stint(50.0), track="thornwood")])
    assert aggregate.interquartile_means["median_ratio"].low is None
    assert aggregate.absent is not None
    assert "there is no interval" in aggregate.absent


def test_two_policies_of_one_run_are_no_seeds(saved: SavedPolicy) -> None:
    best = raced(saved, "run", stint(42.0))
    newest = Result(folder=Path("run/newest"), saved=saved, driven=best.driven)
    aggregate = aggregated([best, newest])
    assert aggregate.mean_completion is None
    assert aggregate.absent is not None
    assert "of one run" in aggregate.absent


def test_returns_are_aggregated_where_there_are_no_laps(saved: SavedPolicy) -> None:
    plays = [Play(arguments={}, episodes=(), figures=return_figures([float(i), float(i)])) for i in range(4)]
    results = [Result(folder=Path(f"seed-{i}/best"), saved=saved, driven=play) for i, play in enumerate(plays)]
    estimate = aggregated(results).interquartile_means["mean_return"]
    assert estimate.value == 1.5
    assert estimate.low is not None


@pytest.mark.parametrize(
    ("folder", "label"), [("runs/mine/best", "mine"), ("runs/mine/newest", "mine"), ("kept", "kept")]
)
def test_policy_is_named_after_its_run(saved: SavedPolicy, folder: str, label: str) -> None:
    race = raced(saved, "x", stint(42.0)).driven
    assert Result(folder=Path(folder), saved=saved, driven=race).label == label
