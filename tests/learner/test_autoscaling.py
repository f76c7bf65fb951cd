"""A fleet whose size follows the learner's demand by the manifests' own autoscaler, in simulated time."""

import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import yaml

from tests.deploy_manifests.manifests import DEPLOY
from tests.learner.simulated_fleet import BATCH_SIZE, SimulatedFleet, autoscaled

pytestmark = pytest.mark.slow

HOUR = 3600.0


def fleet(minimum: float = 8, maximum: float = 32, **fields: Any) -> SimulatedFleet:
    spec = yaml.safe_load((DEPLOY / "components" / "autoscale" / "autoscaler.yaml").read_text())["spec"]
    spec["maxReplicas"] = 64
    constant: dict[str, Callable[[float], float]] = {"worker_speed": lambda _: 10, "trainer_speed": lambda _: 10}
    return autoscaled(spec, minimum=minimum, maximum=maximum, **{**constant, **fields})


def directions(run: SimulatedFleet, first: int) -> list[bool]:
    """Whether each change added workers."""
    counts = [first, *(replicas for _, replicas in run.history)]
    return [after > before for before, after in pairwise(counts)]


@pytest.mark.parametrize(
    ("start", "minimum", "worker_speed"),
    [(1, 8, 10.0), (1, 30, 10.0), (3, 8, 1.4)],
    ids=["starved", "narrow band", "many slow workers"],
)
def test_a_starved_learner_gets_the_workers_it_needs_and_no_more(
    start: int, minimum: float, worker_speed: float
) -> None:
    run = fleet(minimum, replicas=start, worker_speed=lambda _: worker_speed)
    needed = 10 * BATCH_SIZE / 32 / worker_speed
    run.run(HOUR)
    assert all(directions(run, start)), run.history
    assert 0.9 * needed <= run.replicas <= needed + 1, run.history
    waited, changes = run.waited, len(run.history)
    run.run(HOUR)
    assert run.waited - waited <= 0.1 * HOUR
    assert len(run.history) == changes


@pytest.mark.parametrize(
    ("start", "minimum", "maximum", "worker_speed"),
    [(40, 8, 32, 10), (4, 8, 32, 400), (16, 16, 512, 20), (30, 30, 32, 10)],
    ids=["throttled", "one is enough", "default band", "narrow band"],
)
def test_throttled_workers_are_taken_away_until_none_waits_and_the_trainer_does_not_starve(
    start: int, minimum: float, maximum: float, worker_speed: float
) -> None:
    run = fleet(minimum, maximum, replicas=start, worker_speed=lambda _: worker_speed)
    run.run(1.5 * HOUR)
    assert run.history, "nothing was taken away"
    assert not any(directions(run, start)), run.history
    throttled, waited = run.throttled, run.waited
    run.run(HOUR)
    assert run.throttled == throttled or run.replicas == 1
    assert run.waited - waited <= 0.1 * HOUR


def test_uneven_workers_and_trainers_make_the_fleet_swing_neither_way() -> None:
    uneven = random.Random(1)  # noqa: S311
    noise = [uneven.uniform(0.6, 1.4) for _ in range(round(3 * HOUR))]
    run = fleet(
        24,
        replicas=1,
        worker_speed=lambda at: 10 * noise[int(at)] * (at % 60 < 45),
        trainer_speed=lambda at: 10 * noise[int(at / 7)],
    )
    run.run(2 * HOUR)
    assert all(directions(run, 1)), run.history


def test_a_learner_that_becomes_faster_gets_more_workers() -> None:
    run = fleet(replicas=8, trainer_speed=lambda at: 10 if at < HOUR else 20)
    run.run(HOUR)
    assert not run.history
    run.run(HOUR)
    assert 0.9 * 16 <= run.replicas <= 17
    assert all(directions(run, 8)), run.history
