import pytest

from deploy.evaluate.statistics import interquartile_mean, lap_figures, mean, return_figures
from tests.evaluate.stints import lost_start, stint


def test_figures_of_clean_laps_are_those_worked_out_by_hand() -> None:
    figures = lap_figures([stint(50.0, 52.0), stint(51.0, 55.0)], optimum_lap_seconds=40.0)
    assert (figures.laps_begun, figures.laps_clean, figures.laps_lost, figures.starts_lost) == (4, 4, 0, 0)
    assert figures.completion == 1.0
    assert (figures.minimum_seconds, figures.median_seconds, figures.mean_seconds) == (50.0, 51.5, 52.0)
    # Deviations -2, 0, -1 and 3: squares sum to 14, over n - 1 = 3.
    assert figures.sigma_seconds == pytest.approx((14 / 3) ** 0.5)
    assert figures.sigma_percent == pytest.approx(100 * (14 / 3) ** 0.5 / 51.5)
    assert figures.minimum_ratio == 1.25
    assert figures.median_ratio == pytest.approx(51.5 / 40)


def test_lost_laps_and_lost_starts_count_against_completion_but_not_in_times() -> None:
    figures = lap_figures([stint(50.0, ending="spun"), lost_start(), stint(54.0, 54.0)], optimum_lap_seconds=None)
    assert (figures.laps_begun, figures.laps_clean, figures.laps_lost, figures.starts_lost) == (4, 3, 1, 1)
    assert figures.completion == pytest.approx(3 / 5)
    assert figures.median_seconds == 54.0
    assert figures.minimum_ratio is None


def test_policy_without_a_lap_has_a_completion_of_nothing_and_no_times() -> None:
    figures = lap_figures([lost_start(), stint(ending="off_track")], optimum_lap_seconds=40.0)
    assert figures.completion == 0.0
    assert (figures.minimum_seconds, figures.median_seconds, figures.mean_seconds, figures.sigma_seconds) == (None,) * 4
    assert (figures.sigma_percent, figures.minimum_ratio, figures.median_ratio) == (None,) * 3


def test_single_lap_has_no_spread() -> None:
    assert lap_figures([stint(50.0)], None).sigma_seconds is None


def test_interquartile_mean_leaves_a_quarter_out_at_either_end() -> None:
    # Of the eight scores 3, 4, 5 and 6 stay.
    assert interquartile_mean([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 1_000.0]]).value == 4.5
    assert mean([[1.0, 2.0], [3.0, 6.0]]).value == 3.0


def test_resampling_stays_within_each_stratum() -> None:
    # Within a track all seeds are the same: only mixing the tracks could give another mean.
    estimate = interquartile_mean([[1.0, 1.0, 1.0], [5.0, 5.0, 5.0]])
    assert (estimate.low, estimate.value, estimate.high) == (3.0, 3.0, 3.0)


def test_interval_is_that_of_the_percentiles_of_resampled_scores() -> None:
    # Five of 0 and five of 1: a resample's mean is binomial(10, 1/2) / 10, with 2.5 % and 97.5 % points at 0.2 and 0.8.
    estimate = mean([[0.0] * 5 + [1.0] * 5])
    assert estimate.value == 0.5
    assert (estimate.low, estimate.high) == pytest.approx((0.2, 0.8))


def test_lone_seed_of_a_track_leaves_no_interval() -> None:
    estimate = interquartile_mean([[1.0, 2.0], [3.0]])
    assert estimate.value == 2.0
    assert (estimate.low, estimate.high) == (None, None)


def test_same_scores_give_the_same_interval_again() -> None:
    scores = [[1.0, 1.2, 1.3, 1.7, 2.0]]
    assert interquartile_mean(scores) == interquartile_mean(scores)


def test_returns_have_their_figures_and_an_interval_over_episodes() -> None:
    figures = return_figures([1.0, 2.0, 6.0])
    assert (figures.episodes, figures.mean_return.value, figures.median_return) == (3, 3.0, 2.0)
    assert figures.sigma_return == pytest.approx(7**0.5)
    assert figures.mean_return.low is not None
    assert figures.mean_return.high is not None
    assert 1.0 <= figures.mean_return.low < 3.0 < figures.mean_return.high <= 6.0
