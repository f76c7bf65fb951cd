"""A seed is a run."""

from itertools import islice

from tests.chaos.faults import Cut, FullDisk, Kill, Pause, Stop
from tests.chaos.schedule import MOST_IN_HASTE, Schedule, Strike

KINDS = frozenset(
    {"kill", "kill in checkpoint", "stop", "pause", "cut", "bad link", "full disk", "slow disk", "clock jump"}
)
WORKERS = ("worker-1", "worker-2", "evaluator")


def strikes(seed: int, kinds: frozenset[str] = KINDS, count: int = 400) -> list[Strike]:
    return list(islice(Schedule(seed, kinds, WORKERS), count))


def test_the_same_seed_gives_the_same_faults_and_another_seed_others() -> None:
    assert strikes(5) == strikes(5)
    assert strikes(5) != strikes(6)


def test_every_possible_kind_strikes_and_no_other() -> None:
    assert {fault.kind for strike in strikes(1) for fault in strike.faults} == KINDS
    few = frozenset({Kill.kind, Pause.kind})
    assert {fault.kind for strike in strikes(1, few) for fault in strike.faults} == few


def test_the_fleet_may_recover_now_and_then() -> None:
    in_haste = 0
    for strike in strikes(2):
        in_haste = 0 if strike.settles else in_haste + 1
        assert in_haste <= MOST_IN_HASTE


def test_two_faults_at_once_never_hinder_a_clean_end() -> None:
    pairs = [strike.faults for strike in strikes(3, count=3000) if len(strike.faults) == 2]
    assert {type(fault) for pair in pairs for fault in pair} >= {Stop, Cut, FullDisk, Kill}
    for first, second in pairs:
        if first.target == second.target:
            assert Stop.kind not in (first.kind, second.kind)
