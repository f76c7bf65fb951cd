"""The number that autoscalers follow."""

import pytest

from distrib_l2r.v1 import join_pb2, status_pb2, trajectory_pb2
from learner_service.worker_demand import MOST, WorkerDemand


class Learner:
    """A demand, and what it is shown second by second."""

    def __init__(self, minimum: float = 8.0, maximum: float = 32.0) -> None:
        self.now = self.waited = 0.0
        self.demand = WorkerDemand(
            samples_per_insert_min=minimum, samples_per_insert_max=maximum, clock=lambda: self.now
        )

    def show(
        self,
        seconds: float,
        *,
        workers: int,
        waits: float = 0.0,
        throttled: float = 0.0,
        updates: int = 1,
        evaluators: int = 0,
        away: int = 0,
    ) -> float:
        """A trainer that waits for this share of the time, workers throttled for that; returns the demand after it."""
        state = status_pb2.FLOW_STATE_HEALTHY
        for second in range(round(seconds)):
            self.now += 1
            self.waited += waits
            state = status_pb2.FLOW_STATE_THROTTLED if second % 10 < 10 * throttled else status_pb2.FLOW_STATE_HEALTHY
            self.demand.observe(
                status_pb2.RunStatus(
                    updates=updates,
                    flow_state=state,
                    trainer_metrics=[trajectory_pb2.Metric(name="waiting_seconds", value=self.waited)],
                    workers=[
                        *[status_pb2.WorkerStatus(connected=True, role=join_pb2.ROLE_COLLECT)] * workers,
                        *[status_pb2.WorkerStatus(connected=True, role=join_pb2.ROLE_EVALUATE)] * evaluators,
                        *[status_pb2.WorkerStatus(connected=False, role=join_pb2.ROLE_COLLECT)] * away,
                    ],
                )
            )
        return self.demand.ratio


@pytest.mark.parametrize(("waits", "ratio"), [(0.0, 1.0), (0.2, 1.25), (1 / 3, 1.5), (0.5, 2.0), (0.9, MOST)])
def test_a_trainer_that_waits_wants_as_many_workers_more_as_it_had_time_for(waits: float, ratio: float) -> None:
    assert Learner().show(200, workers=4, waits=waits) == pytest.approx(ratio)


@pytest.mark.parametrize(("workers", "left"), [(1, 1), (2, 1), (3, 2), (4, 3), (8, 7), (10, 8), (20, 16)])
def test_throttled_workers_are_given_back_one_or_a_fifth_at_a_time(workers: int, left: int) -> None:
    ratio = Learner(minimum=1).show(200, workers=workers, throttled=1)
    assert workers * ratio <= left
    assert workers * ratio > left - 1, "an autoscaler rounds up to it"


def test_brief_throttling_is_left_to_the_autoscalers_tolerance() -> None:
    assert 0.9 <= Learner().show(200, workers=10, throttled=0.2) < 1


def test_a_narrow_band_gives_back_no_more_than_what_would_still_do() -> None:
    assert Learner(minimum=30).show(200, workers=30, throttled=1) == pytest.approx(30 / 32 / 1.1)
    assert Learner(minimum=30).show(200, workers=4, throttled=1) == 1, "three in place of four would starve the trainer"


def test_nothing_is_asked_for_where_nothing_is_known() -> None:
    assert Learner().demand.ratio == 1
    assert Learner().show(50, workers=4, waits=0.9) == 1, "in the first minute"
    assert Learner().show(200, workers=4, waits=1, updates=0) == 1, "before the first update"
    assert Learner().show(200, workers=0, waits=1) == 1, "without workers"
    learner = Learner()
    learner.show(200, workers=4, waits=0.5)
    assert learner.show(1, workers=0, waits=1) == 1, "after all have left"


def test_evaluators_and_workers_that_are_away_are_no_workers() -> None:
    learner = Learner()
    learner.show(100, workers=2, waits=0.5, evaluators=3, away=5)
    assert learner.show(1, workers=4, evaluators=3, away=5) == pytest.approx(1, abs=0.02), "it has the four it wanted"


def test_workers_just_added_are_not_asked_for_again_and_those_taken_away_are_missed() -> None:
    learner = Learner()
    learner.show(120, workers=4, waits=0.5)
    assert learner.show(30, workers=8) == pytest.approx(1, abs=0.02), "though the window remembers the waiting"
    learner = Learner()
    learner.show(120, workers=16)
    assert learner.show(120, workers=4, waits=0.5) == pytest.approx(2, rel=0.02), "never what was more than enough"
