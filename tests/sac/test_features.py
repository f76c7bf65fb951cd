import numpy as np
import pytest
import torch

from distrib_l2r.spaces import Spaces
from learner_service.sac.features import LARGEST_DEVIATION, Features, RunningStatistics, flatten_columns
from tests.sac.builders import box, camera_spaces, random_batch


def test_columns_of_any_dtype_become_one_row_in_the_run_s_order() -> None:
    spaces = camera_spaces()
    batch = random_batch(spaces, 4)
    features = Features(spaces.observation, normalise=False)
    rows = features({name: torch.from_numpy(column) for name, column in reversed(list(batch.observation.items()))})
    assert rows.dtype == torch.float32
    assert rows.shape == (4, features.size) == (4, 4 * 5 * 3 + 2 + 1)
    np.testing.assert_array_equal(rows[:, :60], batch.observation["camera"].reshape(4, -1))
    np.testing.assert_array_equal(rows[:, 60:62], batch.observation["speed"])
    np.testing.assert_array_equal(rows[:, 62], batch.observation["lap"])
    np.testing.assert_array_equal(rows, flatten_columns(batch.observation, features.names))


def test_booleans_and_numbers_without_dimensions_are_features_too() -> None:
    boxes = {"wet": box(dtype="bool", low=0, high=1), "fuel": box(dtype="float16")}
    rows = Features(boxes, normalise=False)(
        {"wet": torch.tensor([True, False]), "fuel": torch.tensor([0.5, 1.5]).half()}
    )
    assert rows.tolist() == [[1.0, 0.5], [0.0, 1.5]]


def test_equal_samples_give_the_statistics_of_all_rows() -> None:
    rows = np.random.default_rng(0).normal([3, -5], [0.1, 20], (4, 500, 2))
    statistics = RunningStatistics(2, least_weight=0.01)
    for sample in rows:
        statistics.add(sample)
    everything = rows.reshape(-1, 2)
    np.testing.assert_allclose(statistics.mean, everything.mean(0))
    np.testing.assert_allclose(statistics.deviation, everything.std(0))


def test_statistics_follow_replay_at_the_least_weight() -> None:
    statistics = RunningStatistics(1, least_weight=0.5)
    statistics.add(np.zeros((10, 1)))
    for _ in range(40):
        statistics.add(np.random.default_rng(0).normal(7, 2, (2000, 1)))
    assert statistics.mean[0] == pytest.approx(7, abs=0.2)
    assert statistics.deviation[0] == pytest.approx(2, abs=0.2)


def test_normalised_features_have_no_mean_and_unit_deviation() -> None:
    random = np.random.default_rng(0)
    observation = random.normal([1e3, 0.01, -2], [5, 1e-3, 2], (4000, 3)).astype(np.float32)
    features = Features({"observation": box(3)}, normalise=True)
    statistics = RunningStatistics(3)
    statistics.add(observation)
    features.take_statistics(statistics)
    rows = features({"observation": torch.from_numpy(observation)})
    np.testing.assert_allclose(rows.mean(0), 0, atol=1e-2)
    np.testing.assert_allclose(rows.std(0), 1, atol=1e-2)


def test_constant_features_stay_small_and_outliers_are_cut_off() -> None:
    features = Features({"observation": box(2)}, normalise=True)
    statistics = RunningStatistics(2)
    rows = np.full((100, 2), 1e6, np.float32)
    rows[:, 1] = np.random.default_rng(0).normal(size=100)
    statistics.add(rows)
    features.take_statistics(statistics)
    normalised = features({"observation": torch.tensor([[1e6, 1e9], [1e6 + 0.5, -1e9]])})
    assert normalised[:, 0].abs().max() <= 1
    assert normalised[:, 1].tolist() == [LARGEST_DEVIATION, -LARGEST_DEVIATION]


def test_statistics_are_buffers_that_travel_with_the_weights() -> None:
    features = Features(Spaces(observation={"a": box(2)}, action=box(1)).observation, normalise=True)
    assert set(features.state_dict()) == {"mean", "inverse_deviation"}
    assert not Features({"a": box(2)}, normalise=False).state_dict()


def test_statistics_resume() -> None:
    statistics, resumed = RunningStatistics(3), RunningStatistics(3)
    random = np.random.default_rng(0)
    statistics.add(random.normal(size=(10, 3)))
    state = statistics.state_dict()
    more = random.normal(size=(10, 3))
    statistics.add(more)
    resumed.load_state_dict(state)
    resumed.add(more)
    np.testing.assert_array_equal(resumed.mean, statistics.mean)
    np.testing.assert_array_equal(resumed.variance, statistics.variance)
