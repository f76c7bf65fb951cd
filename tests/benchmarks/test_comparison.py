"""Rows of benchmarks."""

import math
import os
import threading
import time

import pytest

from tests.benchmarks.comparison import Comparison, percentile
from tests.benchmarks.cpu_seconds import TICKS_PER_SECOND, process_seconds, thread_seconds
from tests.benchmarks.distribution import delays
from tests.benchmarks.load import Arrival


def test_ratio_is_the_median_of_rounds_and_not_the_ratio_of_medians() -> None:
    row = Comparison(name="x", unit="1/s", values=[1.0, 20.0, 9.0], baselines=[1.0, 10.0, 3.0]).row()
    assert (row["value"], row["baseline"], row["ratio"], row["spread"]) == (9.0, 3.0, 2.0, [1.0, 3.0])


def test_spread_without_baseline_is_that_of_values() -> None:
    row = Comparison(name="x", unit="s", values=[3.0, 1.0, 2.0]).row()
    assert (row["value"], row["ratio"], row["spread"]) == (2.0, None, [1.0, 3.0])


def test_percentile_of_a_hundred_values() -> None:
    assert percentile([float(value) for value in reversed(range(100))], 0.99) == 99.0
    assert percentile([4.0], 0.5) == 4.0
    with pytest.raises(ValueError, match="0 values were measured"):
        percentile([], 0.5)


def arrival(stream: str, version: int, at: float) -> Arrival:
    return Arrival(stream=stream, version=version, published_at=float(version), arrived_at=at, size=1)


def test_a_newer_version_counts_for_the_older_one_and_a_missing_one_is_never() -> None:
    arrivals = [arrival("a", 1, 1.5), arrival("a", 2, 2.5), arrival("b", 2, 2.25), arrival("a", 3, 3.5)]
    assert delays(arrivals, began=1.0, ended=3.0, clients=2) == [[0.5, 1.25], [0.5, 0.25], [0.5, math.inf]]


def test_a_client_without_any_version_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="1 of 2 clients"):
        delays([arrival("a", 1, 1.5)], began=1.0, ended=3.0, clients=2)


def test_cpu_time_of_a_thread_is_part_of_its_process() -> None:
    thread = threading.get_native_id()
    began, process_began, ours = thread_seconds(os.getpid(), thread), process_seconds(os.getpid()), time.thread_time()
    while time.thread_time() - ours < 0.2:
        sum(range(1000))
    took = thread_seconds(os.getpid(), thread) - began
    # Each reading is rounded down to a tick.
    assert took == pytest.approx(0.2, abs=3 / TICKS_PER_SECOND)
    assert process_seconds(os.getpid()) - process_began >= took - 2 / TICKS_PER_SECOND
