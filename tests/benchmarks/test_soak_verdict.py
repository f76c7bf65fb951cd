"""What a soak's samples say."""

from typing import Any

import pytest

from tests.benchmarks.soak_verdict import Bounds, conclude, slope_per_hour

BOUNDS = Bounds(learner_mb_per_hour=20.0, worker_mb_per_hour=2.0)


def make_lines(**changes: Any) -> list[dict[str, Any]]:
    """An hour of two workers in samples of 10 s; a change is a function of seconds."""
    lines = []
    for number in range(361):
        seconds = 10.0 * number
        line: dict[str, Any] = {
            "seconds": seconds,
            "learner_anonymous_mb": 300.0,
            "learner_file_mb": 100.0 + seconds,
            "learner_threads": 14,
            "learner_descriptors": 22,
            "workers": 2,
            "workers_connected": 2,
            "workers_anonymous_mb": 220.0,
            "worker_anonymous_max_mb": 111.0,
            "workers_threads": 20,
            "workers_descriptors": 32,
            "machine_available_mb": 20_000.0 - number,
            "transitions": 40 * int(seconds),
            "updates": 80 * int(seconds),
            "policy_version": int(seconds) + 1,
        }
        lines.append(line | {name: change(seconds) for name, change in changes.items()})
    return lines


def test_a_run_in_which_nothing_grows_passes_and_tells_its_rates() -> None:
    row = conclude(make_lines(), workers=2, bounds=BOUNDS)
    assert row["grown"] == []
    assert (row["minutes"], row["transitions_per_second"], row["updates_per_second"]) == (60.0, 40.0, 80.0)
    assert row["machine_available_mb_least"] == 20_000.0 - 360


def test_growth_that_ended_in_the_first_half_is_filling_not_leaking() -> None:
    lines = make_lines(learner_anonymous_mb=lambda seconds: min(300 + seconds, 1500))
    assert slope_per_hour(lines, "learner_anonymous_mb") == pytest.approx(0, abs=1e-6)
    assert conclude(lines, workers=2, bounds=BOUNDS)["grown"] == []


@pytest.mark.parametrize(
    ("name", "change", "sentence"),
    [
        ("learner_anonymous_mb", lambda s: 300 + 21 * s / 3600, "learner memory rose by 21.0 MB/h; at most 20"),
        ("workers_anonymous_mb", lambda s: 220 + 5 * s / 3600, "mean worker memory rose by 2.5 MB/h; at most 2"),
        ("learner_threads", lambda s: 14 + (s > 1800), "learner_threads rose from 14 to 15"),
        ("learner_descriptors", lambda s: 22 + (s > 1800), "learner_descriptors rose from 22 to 23"),
        ("workers_threads", lambda s: 20 + (s > 1800), "workers_threads rose from 20 to 21"),
        ("workers_descriptors", lambda s: 32 + (s > 1800), "workers_descriptors rose from 32 to 33"),
        ("workers", lambda s: 2 - (s > 1800), "workers fell to 1 of 2"),
        ("workers_connected", lambda s: 2 - (s > 1800), "workers_connected fell to 1 of 2"),
    ],
)
def test_each_thing_that_grows_or_is_lost_gets_a_sentence(name: str, change: Any, sentence: str) -> None:
    (grown,) = conclude(make_lines(**{name: change}), workers=2, bounds=BOUNDS)["grown"]
    assert grown.startswith(sentence)


def test_what_came_in_the_first_tenth_is_the_start_not_growth() -> None:
    assert not conclude(make_lines(learner_threads=lambda s: 12 + 2 * (s > 300)), workers=2, bounds=BOUNDS)["grown"]


def test_too_short_a_soak_says_so() -> None:
    with pytest.raises(ValueError, match="a slope needs at least 2"):
        slope_per_hour(make_lines()[:1], "learner_anonymous_mb")
