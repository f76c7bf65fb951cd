"""The kinds of faults: what each does to the fleet, and how it ends."""

import time
from dataclasses import dataclass
from typing import ClassVar, Protocol

from tests.chaos.fleet import CHECKPOINT_PERIOD_SECONDS, LEARNER, Fleet

LEARNER_EXIT_SECONDS = 30.0
WORKER_EXIT_SECONDS = 6.0
CHECKPOINT_WAIT_SECONDS = 2 * CHECKPOINT_PERIOD_SECONDS + 2
CHECKPOINT_LOOK_SECONDS = 0.004


class Fault(Protocol):
    """One fault with its parameters; `begin`, then `seconds` in force, then `end`."""

    kind: ClassVar[str]

    @property
    def target(self) -> str:
        """The service it strikes."""

    @property
    def seconds(self) -> float:
        """How long it stays in force."""

    def begin(self, fleet: Fleet) -> str | None:
        """Strikes; returns what the fleet did wrong at once, if anything, as a sentence."""

    def end(self, fleet: Fleet) -> None:
        """Takes it back."""


@dataclass(frozen=True)
class Kill:
    """SIGKILL, and a successor at once."""

    kind: ClassVar = "kill"
    target: str
    seconds: float = 0.0

    def begin(self, fleet: Fleet) -> None:
        fleet.services[self.target].kill()
        fleet.services[self.target].start()

    def end(self, fleet: Fleet) -> None:
        """Nothing is left of it."""


@dataclass(frozen=True)
class KillInCheckpoint:
    """SIGKILL of the learner while a checkpoint is half written, on a disk slow enough to be caught."""

    kind: ClassVar = "kill in checkpoint"
    disk_delay_seconds: float
    after_seconds: float
    """From the sight of the half-written checkpoint."""
    target: str = LEARNER
    seconds: float = 0.0

    def begin(self, fleet: Fleet) -> str | None:
        shim = fleet.shims.get(LEARNER)
        if shim is not None:
            shim.disk_delay_seconds = self.disk_delay_seconds
        deadline = time.monotonic() + CHECKPOINT_WAIT_SECONDS
        checkpoints = fleet.run_directory / "checkpoints"
        while not (seen := any(checkpoints.glob("*.new"))) and time.monotonic() < deadline:
            time.sleep(CHECKPOINT_LOOK_SECONDS)
        time.sleep(self.after_seconds)
        fleet.checkpoints_struck += seen and any(checkpoints.glob("*.new"))
        fleet.learner.kill()
        if shim is not None:
            shim.disk_delay_seconds = 0
        fleet.learner.start()
        return None

    def end(self, fleet: Fleet) -> None:
        """Nothing is left of it."""


@dataclass(frozen=True)
class Stop:
    """SIGTERM, a clean end in time, and a successor."""

    kind: ClassVar = "stop"
    target: str
    seconds: float = 0.0

    def begin(self, fleet: Fleet) -> str | None:
        deadline = LEARNER_EXIT_SECONDS if self.target == LEARNER else WORKER_EXIT_SECONDS
        wrong = fleet.services[self.target].terminate(deadline)
        fleet.services[self.target].start()
        return wrong

    def end(self, fleet: Fleet) -> None:
        """Nothing is left of it."""


@dataclass(frozen=True)
class Pause:
    """SIGSTOP, and SIGCONT later."""

    kind: ClassVar = "pause"
    target: str
    seconds: float

    def begin(self, fleet: Fleet) -> None:
        fleet.services[self.target].pause()

    def end(self, fleet: Fleet) -> None:
        fleet.services[self.target].resume()


@dataclass(frozen=True)
class Cut:
    """Every packet of a worker is dropped, silently."""

    kind: ClassVar = "cut"
    target: str
    seconds: float

    def begin(self, fleet: Fleet) -> None:
        fleet.network.set_link(self.target, cut=True)

    def end(self, fleet: Fleet) -> None:
        fleet.network.set_link(self.target)


@dataclass(frozen=True)
class BadLink:
    """A worker's packets come late, out of order, not at all, or in a trickle."""

    kind: ClassVar = "bad link"
    target: str
    seconds: float
    delay_ms: float
    jitter_ms: float
    loss: float
    rate_mbit: float

    def begin(self, fleet: Fleet) -> None:
        fleet.network.set_link(
            self.target, delay_ms=self.delay_ms, jitter_ms=self.jitter_ms, loss=self.loss, rate_mbit=self.rate_mbit
        )

    def end(self, fleet: Fleet) -> None:
        fleet.network.set_link(self.target)


@dataclass(frozen=True)
class FullDisk:
    """No block is left on the file system of the run directory."""

    kind: ClassVar = "full disk"
    seconds: float
    target: str = LEARNER

    def begin(self, fleet: Fleet) -> None:
        fleet.disk.fill()

    def end(self, fleet: Fleet) -> None:
        fleet.disk.free()


@dataclass(frozen=True)
class SlowDisk:
    """Every write and every sync of the learner takes longer."""

    kind: ClassVar = "slow disk"
    seconds: float
    delay_seconds: float
    target: str = LEARNER

    def begin(self, fleet: Fleet) -> None:
        fleet.shims[self.target].disk_delay_seconds = self.delay_seconds

    def end(self, fleet: Fleet) -> None:
        fleet.shims[self.target].disk_delay_seconds = 0


@dataclass(frozen=True)
class ClockJump:
    """The wall clock of a service is suddenly wrong by so much, and stays so until its next jump."""

    kind: ClassVar = "clock jump"
    target: str
    offset_seconds: float
    seconds: float = 0.2

    def begin(self, fleet: Fleet) -> None:
        fleet.shims[self.target].clock_offset_seconds = self.offset_seconds

    def end(self, fleet: Fleet) -> None:
        """The clock stays wrong: it is the jump that hurts."""
