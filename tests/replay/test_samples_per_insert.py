"""Both sides of the balance, its states, and who is woken."""

import math
import threading
import time

import pytest

from distrib_l2r.v1 import status_pb2
from learner_service.replay.flow import FlowState
from learner_service.replay.samples_per_insert import RECOVERY_SECONDS, UNLIMITED, SamplesPerInsert

BATCH, WARM_UP = 32, 1000
DEADLINE_SECONDS = 20.0


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def balance(minimum: float = 1.0, maximum: float = 4.0, clock: Clock | None = None) -> SamplesPerInsert:
    return SamplesPerInsert(
        batch_size=BATCH, minimum=minimum, maximum=maximum, min_transitions=WARM_UP, clock=clock or Clock()
    )


def possible_updates(limiter: SamplesPerInsert) -> int:
    count = 0
    while limiter.await_update(0):
        limiter.updated()
        count += 1
    return count


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0"),
        ({"min_transitions": 0}, "min_transitions is 0"),
        ({"minimum": -1.0}, "minimum is -1.0"),
        ({"minimum": 5.0}, "minimum is 5.0 and maximum is 4.0"),
        ({"minimum": math.inf, "maximum": math.inf}, "minimum be finite"),
        ({"minimum": 0.0, "maximum": 0.0}, "maximum be above 0"),
        ({"maximum": math.nan}, "maximum is nan"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, float], message: str) -> None:
    valid = {"batch_size": BATCH, "minimum": 1.0, "maximum": 4.0, "min_transitions": WARM_UP}
    with pytest.raises(ValueError, match=message):
        SamplesPerInsert(**{**valid, **settings})  # type: ignore[arg-type]


def test_flow_states_are_numbered_as_on_the_wire() -> None:
    for state in FlowState:
        assert status_pb2.FlowState.Name(state.value) == f"FLOW_STATE_{state.name}"


def test_the_warm_up_admits_no_update_and_any_transition() -> None:
    limiter = balance(maximum=math.inf)
    limiter.insert(WARM_UP - 1)
    assert not limiter.await_update(0)
    assert limiter.allowance() == UNLIMITED
    assert limiter.flow().state is FlowState.STARVED
    assert limiter.flow().detail == "trainer waits: 999 of the 1000 transitions are there that the first update needs"
    limiter.insert(1)
    assert limiter.await_update(0)


def test_the_warm_up_owes_no_updates() -> None:
    limiter = balance(maximum=4.0)
    limiter.insert(WARM_UP)
    assert possible_updates(limiter) == 0
    limiter.insert(64)
    # 64 transitions at 4 samples each are 8 batches of 32.
    assert possible_updates(limiter) == 8
    assert limiter.samples_per_insert == 4.0


@pytest.mark.parametrize("maximum", [0.3, 1.0, 3.7, 100.0])
def test_the_trainer_gets_all_updates_up_to_the_maximum_and_none_beyond(maximum: float) -> None:
    limiter = balance(minimum=0, maximum=maximum)
    limiter.insert(WARM_UP)
    updates = inserted = 0
    for count in (1, 64, 7, 300, 64, 1000):
        limiter.insert(count)
        inserted += count
        updates += possible_updates(limiter)
        assert updates * BATCH <= maximum * inserted < (updates + 1) * BATCH


def test_starvation_is_named_with_its_numbers_and_remedy() -> None:
    limiter = balance(maximum=32.0)
    limiter.insert(WARM_UP + 64)
    possible_updates(limiter)
    assert limiter.flow().state is FlowState.STARVED
    assert limiter.flow().detail == (
        "trainer waits: samples per insert 32.0 is at its maximum 32.0; more workers would help"
    )


def test_an_infinite_maximum_never_starves_a_warm_trainer() -> None:
    clock = Clock()
    limiter = balance(maximum=math.inf, clock=clock)
    limiter.insert(WARM_UP)
    for _ in range(1000):
        assert limiter.await_update(0)
        clock.seconds += 0.01
        limiter.updated()
    assert limiter.flow().state is FlowState.HEALTHY


def test_a_zero_minimum_never_throttles() -> None:
    limiter = balance(minimum=0.0)
    limiter.insert(10**9)
    assert limiter.allowance() == UNLIMITED
    assert limiter.flow().state is not FlowState.THROTTLED


def test_workers_are_throttled_once_they_are_ahead_by_the_slack() -> None:
    limiter = balance(minimum=1.0)
    limiter.insert(WARM_UP)
    assert limiter.allowance() == limiter.slack
    limiter.insert(limiter.slack - 1)
    assert limiter.allowance() == 1
    assert limiter.flow().state is not FlowState.THROTTLED
    limiter.insert(1)
    assert limiter.allowance() == 0
    flow = limiter.flow()
    assert flow.state is FlowState.THROTTLED
    assert flow.detail == (
        f"workers wait: samples per insert 0.0 is at its minimum 1.0, {limiter.slack} transitions ahead "
        f"of a slack of {limiter.slack}; fewer workers would do"
    )


def test_throttling_ends_only_when_updates_have_halved_the_lead() -> None:
    limiter = balance(minimum=1.0)
    limiter.insert(WARM_UP + limiter.slack)
    changes: list[FlowState] = []
    limiter.on_change = lambda: changes.append(limiter.flow().state)
    needed = limiter.slack // 2 // BATCH
    for _ in range(needed):
        assert limiter.allowance() == 0
        assert limiter.await_update(0)
        limiter.updated()
    assert changes == []
    limiter.updated()
    assert changes == [FlowState.HEALTHY]
    assert limiter.allowance() == limiter.slack // 2 + BATCH


@pytest.mark.parametrize(("minimum", "maximum"), [(0.05, 0.05), (1.0, 1.0), (8.0, 32.0), (256.0, 256.0), (0.1, 1e6)])
def test_the_two_sides_never_wait_for_each_other(minimum: float, maximum: float) -> None:
    limiter = balance(minimum=minimum, maximum=maximum)
    limiter.insert(WARM_UP)
    throttled = 0
    for step in range(3000):
        may_insert, may_update = limiter.allowance() > 0, limiter.await_update(0)
        assert may_insert or may_update
        # Now workers are eager, now the trainer.
        if may_insert and (step % 1500 < 1000 or not may_update):
            limiter.insert(1 + limiter.slack // 40 + step % 10)
        else:
            limiter.updated()
        throttled += limiter.allowance() == 0
    assert throttled > 0


def test_states_do_not_change_with_every_chunk_or_batch() -> None:
    clock = Clock()
    limiter = balance(minimum=8.0, maximum=8.0, clock=clock)
    changes: list[FlowState] = []
    limiter.on_change = lambda: changes.append(limiter.flow().state)
    limiter.insert(WARM_UP)
    updates = 0
    # First the trainer is the slower side, then the workers are.
    for updates_each, insert_every in ((2, 1), (100, 10)):
        for step in range(2000):
            clock.seconds += 0.01
            if limiter.allowance() > 0 and step % insert_every == 0:
                limiter.insert(64)
            for _ in range(updates_each):
                if limiter.await_update(0):
                    limiter.updated()
                    updates += 1
    assert set(changes) == set(FlowState)
    assert len(changes) < updates / 32


def test_starvation_ends_only_when_the_trainer_was_free_for_a_while() -> None:
    clock = Clock()
    limiter = balance(maximum=4.0, clock=clock)
    limiter.insert(WARM_UP + 64)
    possible_updates(limiter)
    clock.seconds = 5.0
    limiter.insert(640)
    assert limiter.flow().state is FlowState.STARVED
    clock.seconds += 0.9 * RECOVERY_SECONDS
    limiter.updated()
    assert limiter.flow().state is FlowState.STARVED
    clock.seconds += 0.2 * RECOVERY_SECONDS
    limiter.updated()
    assert limiter.flow().state is FlowState.HEALTHY
    assert limiter.flow().detail == "neither side waits: samples per insert 0.5, minimum 1.0, maximum 4.0"


def test_flow_tells_how_long_its_state_has_lasted() -> None:
    clock = Clock()
    limiter = balance(clock=clock)
    clock.seconds = 3.0
    assert limiter.flow().since_seconds == 3.0
    limiter.insert(10**6)
    clock.seconds = 4.5
    assert limiter.flow().state is FlowState.THROTTLED
    assert limiter.flow().since_seconds == 1.5


def test_callbacks_run_with_the_limiter_free_for_other_threads() -> None:
    limiter = balance()
    answered: list[bool] = []

    def look_elsewhere() -> None:
        other = threading.Thread(target=limiter.allowance)
        other.start()
        other.join(2.0)
        answered.append(not other.is_alive())

    limiter.on_change = look_elsewhere
    limiter.insert(10**6)
    limiter.updated(10**6)
    limiter.load_state_dict({"inserted": 10**9, "updates": 0})
    assert answered == [True] * 3


def test_an_insert_wakes_the_trainer() -> None:
    limiter = balance()
    woken = _await_in_thread(limiter)
    limiter.insert(WARM_UP + 64)
    assert woken() is True


def test_closing_wakes_the_trainer_and_lets_no_update_begin() -> None:
    limiter = balance()
    woken = _await_in_thread(limiter)
    limiter.close()
    assert woken() is False
    limiter.insert(10**6)
    assert not limiter.await_update(DEADLINE_SECONDS)


def test_awaiting_an_update_ends_with_its_timeout() -> None:
    started = time.monotonic()
    assert not balance().await_update(0.05)
    assert 0.04 < time.monotonic() - started < DEADLINE_SECONDS


def test_a_restored_balance_goes_on_where_it_was() -> None:
    limiter, restored = balance(), balance()
    limiter.insert(WARM_UP + 777)
    for _ in range(9):
        limiter.updated()
    changes: list[FlowState] = []
    restored.on_change = lambda: changes.append(restored.flow().state)
    restored.load_state_dict(limiter.state_dict())
    assert restored.samples_per_insert == limiter.samples_per_insert
    assert restored.allowance() == limiter.allowance() < UNLIMITED
    assert possible_updates(restored) == possible_updates(limiter)


class _Waiting:
    def __init__(self, limiter: SamplesPerInsert) -> None:
        self._limiter = limiter
        self._result: bool | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        self._result = self._limiter.await_update(2 * DEADLINE_SECONDS)

    def __call__(self) -> bool | None:
        self._thread.join(DEADLINE_SECONDS)
        return self._result


_await_in_thread = _Waiting


def test_a_change_counts_anew_within_other_bounds_and_back_within_the_first() -> None:
    limiter = balance()
    limiter.insert(WARM_UP + limiter.slack)
    assert limiter.state is FlowState.THROTTLED
    changes: list[FlowState] = []
    limiter.on_change = lambda: changes.append(limiter.state)
    limiter.change(batch_size=2 * BATCH, bounds=(0.0, 2.0))
    assert limiter.bounds == (0.0, 2.0)
    assert changes == [FlowState.STARVED], "whoever waited for credit hears of it"
    assert limiter.allowance() == UNLIMITED
    assert (limiter.samples_per_insert, possible_updates(limiter)) == (0, 0)
    limiter.insert(10 * BATCH)
    assert possible_updates(limiter) == 10
    limiter.change(batch_size=BATCH, bounds=None)
    assert limiter.bounds == (1.0, 4.0)
    limiter.insert(10 * BATCH)
    assert possible_updates(limiter) == 40
    with pytest.raises(ValueError, match="batch_size is 0"):
        limiter.change(batch_size=0, bounds=None)
    with pytest.raises(ValueError, match=r"minimum is 3\.0"):
        limiter.change(batch_size=1, bounds=(3.0, 2.0))


def test_a_change_during_the_warm_up_does_not_end_it() -> None:
    limiter = balance()
    limiter.insert(WARM_UP // 2)
    limiter.change(batch_size=BATCH, bounds=(0.0, 2.0))
    assert possible_updates(limiter) == 0
    limiter.insert(WARM_UP // 2)
    assert possible_updates(limiter) == 0
    limiter.insert(BATCH)
    assert possible_updates(limiter) == 2


def test_an_update_waits_for_what_it_needs_besides_and_an_insert_asks_again() -> None:
    limiter = balance(maximum=math.inf, clock=Clock())
    limiter.insert(WARM_UP + 1)
    there = threading.Event()
    assert not limiter.await_update(0, there.is_set)

    def bring() -> None:
        there.set()
        limiter.insert(1)

    timer = threading.Timer(0.05, bring)
    timer.start()
    began = time.monotonic()
    assert limiter.await_update(DEADLINE_SECONDS, there.is_set)
    assert time.monotonic() - began < DEADLINE_SECONDS / 2
    timer.join()
