"""Which fault comes next: drawn from a seed, so that a run can be had again."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from tests.chaos.faults import BadLink, ClockJump, Cut, Fault, FullDisk, Kill, KillInCheckpoint, Pause, SlowDisk, Stop
from tests.chaos.fleet import LEARNER, Fleet

TOGETHER_SHARE: Final = 0.12
"""Of strikes, those of two faults at once."""
HASTE_SHARE: Final = 0.4
"""Of strikes, those whose successor does not wait until the fleet has recovered."""
MOST_IN_HASTE: Final = 3
"""Strikes in a row without recovery between."""
LONG_CUT_SHARE: Final = 0.04
"""Of cuts, those that outlast the workers' keepalive of 15 s."""


@dataclass(frozen=True)
class Strike:
    """One or two faults that begin together."""

    faults: tuple[Fault, ...]
    settles: bool
    """Whether the fleet may recover before the next."""


class Schedule:
    """An endless row of strikes, the same for the same arguments.

    Args:
        seed: of the draws.
        kinds: names of the kinds to draw from, in any order.
        worker_names: whom faults of workers strike.
    """

    def __init__(self, seed: int, kinds: frozenset[str], worker_names: tuple[str, ...]) -> None:
        self._random = random.Random(seed)  # noqa: S311  # draws faults, keeps no secrets
        self._worker_names = worker_names
        table = self._table()
        self._draws = [draw for kind, _, draw in table if kind in kinds]
        self._weights = [weight for kind, weight, _ in table if kind in kinds]

    def __iter__(self) -> Iterator[Strike]:
        in_haste = 0
        while True:
            faults = [self._draw()]
            if self._random.random() < TOGETHER_SHARE:
                second = self._draw()
                while not _together(faults[0], second):
                    second = self._draw()
                faults.append(second)
            settles = in_haste == MOST_IN_HASTE or self._random.random() >= HASTE_SHARE
            in_haste = 0 if settles else in_haste + 1
            yield Strike(tuple(faults), settles)

    def _draw(self) -> Fault:
        return self._random.choices(self._draws, self._weights)[0]()

    def _table(self) -> list[tuple[str, float, Callable[[], Fault]]]:
        """Every kind with its weight and its draw. What makes the learner start anew takes longest, hence is rarer."""
        return [
            (Kill.kind, 7, lambda: Kill(LEARNER)),
            (Kill.kind, 14, lambda: Kill(self._worker())),
            (KillInCheckpoint.kind, 4, lambda: KillInCheckpoint(self._between(0.01, 0.08), self._between(0, 0.2))),
            (Stop.kind, 3, lambda: Stop(LEARNER)),
            (Stop.kind, 9, lambda: Stop(self._worker())),
            (Pause.kind, 9, lambda: Pause(LEARNER, self._between(0.2, 3))),
            (Pause.kind, 9, lambda: Pause(self._worker(), self._between(0.2, 3))),
            (Cut.kind, 12, self._cut),
            (BadLink.kind, 12, self._bad_link),
            (FullDisk.kind, 6, lambda: FullDisk(self._between(1, 3))),
            (SlowDisk.kind, 6, lambda: SlowDisk(self._between(0.5, 3), self._between(0.005, 0.3))),
            (ClockJump.kind, 7, self._clock_jump),
        ]

    def _worker(self) -> str:
        return self._random.choice(self._worker_names)

    def _between(self, low: float, high: float) -> float:
        return round(self._random.uniform(low, high), 3)

    def _cut(self) -> Cut:
        long = self._random.random() < LONG_CUT_SHARE
        return Cut(self._worker(), self._between(16, 20) if long else self._between(0.2, 3))

    def _bad_link(self) -> BadLink:
        kind = self._random.choice(("late", "lossy", "narrow", "all"))
        return BadLink(
            self._worker(),
            self._between(0.5, 3),
            delay_ms=self._between(5, 150) if kind in ("late", "all") else 0.0,
            jitter_ms=self._between(0, 60) if kind in ("late", "all") else 0.0,
            loss=self._between(0.01, 0.3) if kind in ("lossy", "all") else 0.0,
            rate_mbit=self._between(0.05, 1) if kind in ("narrow", "all") else 0.0,
        )

    def _clock_jump(self) -> ClockJump:
        target = self._random.choice((LEARNER, LEARNER, self._worker()))
        seconds = round(self._random.choice((-1, 1)) * 10 ** self._random.uniform(0, 5.5), 1)
        return ClockJump(target, seconds)


def possible_kinds(fleet: Fleet) -> tuple[frozenset[str], list[str]]:
    """The kinds of faults that this machine allows, and a sentence for each that it does not."""
    kinds = {Kill.kind, KillInCheckpoint.kind, Stop.kind, Pause.kind}
    missing = []
    for allowed, names, why in (
        (fleet.network.faulty, (Cut.kind, BadLink.kind), "no netfault: set TESTBED_DIR, run as root"),
        (fleet.disk.limited, (FullDisk.kind,), "no file system of its own could be mounted: run as root"),
        (bool(fleet.shims), (SlowDisk.kind, ClockJump.kind), "there is no C compiler named cc"),
    ):
        if allowed:
            kinds.update(names)
        else:
            missing.append(f"LEFT OUT: {' and '.join(names)}: {why}")
    return frozenset(kinds), missing


def _together(first: Fault, second: Fault) -> bool:
    """Whether two faults make sense at once. How a service ends is judged only if nothing else hinders it."""
    if first.target != second.target:
        return True
    kinds = {first.kind, second.kind}
    return len(kinds) == 2 and Stop.kind not in kinds
