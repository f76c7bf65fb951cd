"""What does not fit the convention for `info` never reaches the learner, and is told of once."""

from typing import Any

import pytest

from worker_service.episode import EpisodeRecord


@pytest.mark.parametrize(
    "info",
    [
        {"lap": 3},
        {"lap": {"number": 1}},
        {"lap": {"number": 0, "time_seconds": 1.0}},
        {"lap": {"number": 1, "time_seconds": float("nan")}},
        {"lap": {"number": 1, "time_seconds": 2.0, "sector_times_seconds": (0.0, 2.0)}},
        {"metrics": "fine"},
        {"metrics": {"speed": None}},
        {"metrics": {"": 1.0}},
        {"metrics": {"x" * 254: 1.0}},
        {"metrics": {"\udc80": 1.0}},
        {"metrics": {"large": 10**400}},
    ],
)
def test_what_does_not_fit_is_left_out_and_told_of_once(info: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    told: set[str] = set()
    for _ in range(2):
        record = EpisodeRecord(told)
        record.add(info)
        summary = record.summary(length=1, episode_return=0.0)
        assert not summary.laps
        assert not summary.metrics
    assert caplog.text.count("is left out") == 1


def test_a_number_of_laps_that_cannot_be_is_brought_into_its_range() -> None:
    record = EpisodeRecord()
    record.add({"metrics": {"laps_started": -4}})
    assert record.summary(length=1, episode_return=0.0).laps_started == 0


def test_the_reason_of_an_abort_fits_the_wire() -> None:
    summary = EpisodeRecord().summary(length=1, episode_return=0.0, abort_reason="\udc80" + "x" * 2000)
    assert summary.abort_reason == "?" + "x" * 999
