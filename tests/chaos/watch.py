"""The watch: looks at the fleet from outside, and notes what must never be seen."""

import time
from pathlib import Path
from typing import Any, Final

import grpc

from distrib_l2r.v1 import learner_service_pb2 as pb
from distrib_l2r.v1 import learner_service_pb2_grpc as pb_grpc
from tests.chaos.fleet import LEARNER, Fleet

CALL_SECONDS: Final = 1.0
LOOK_SECONDS: Final = 0.15
LEARNER_BYTES: Final = 1_200_000_000
WORKER_BYTES: Final = 500_000_000
"""Most memory of its own that a process may hold."""
TRAINING: Final = "training"


class Watch:
    """Used by one thread.

    Args:
        fleet: what to look at.

    Attributes:
        violations: what was seen that must not be, a sentence each.
        exits_on_full_disk: how often the learner ended because its disk was full; allowed, and counted.
    """

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._channel = grpc.insecure_channel(
            fleet.address,
            options=[("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 500)],
        )
        self._stub: Any = pb_grpc.LearnerServiceStub(self._channel)
        self._lowest: dict[str, int] = {}
        self._waited_for: set[str] = set()
        self.violations: list[str] = []
        self.exits_on_full_disk = 0
        self.newest_version = 0
        self.transitions = 0
        self.largest_bytes: dict[str, int] = {}

    def close(self) -> None:
        """Ends the connection."""
        self._channel.close()

    def hold(self, seconds: float, during: str) -> None:
        """Looks again and again for so long."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.look(during)
            time.sleep(min(LOOK_SECONDS, left))

    def begin_recovery(self) -> None:
        """From now on, training and every worker are waited for."""
        self._lowest = {}
        self._waited_for = {TRAINING, *self._fleet.worker_names}

    def await_recovery(self, after: str, deadline_seconds: float) -> float:
        """Waits until everything goes on; returns the seconds that took. More than the deadline are a violation."""
        started = time.monotonic()
        while self._waited_for and time.monotonic() < started + deadline_seconds:
            self.look(after)
            time.sleep(LOOK_SECONDS)
        for name in sorted(self._waited_for):
            service = self._fleet.services.get(name, self._fleet.learner)
            self.violations.append(
                f"{name} had not gone on {deadline_seconds:.0f} s after {after}; {service.name} said last:\n"
                f"{service.log_tail()}"
            )
        self._waited_for = set()
        return time.monotonic() - started

    def look(self, during: str) -> None:
        """One look at everything; `during` names the fault in sentences."""
        self._revive(during)
        progress = {name: _size(self._fleet.ledger(name)) for name in self._fleet.worker_names}
        status = self._status()
        if status is not None:
            if status.policy_version < self.newest_version:
                self.violations.append(
                    f"the policy version fell from {self.newest_version} to {status.policy_version} ({during})"
                )
            if status.transitions < self.transitions:
                self.violations.append(
                    f"the count of transitions fell from {self.transitions} to {status.transitions} ({during})"
                )
            if status.failure:
                self.violations.append(f"training stopped: {status.failure} ({during})")
            self.newest_version, self.transitions = status.policy_version, status.transitions
            progress[TRAINING] = status.updates
        for name, count in progress.items():
            lowest = self._lowest.setdefault(name, count)
            self._lowest[name] = min(lowest, count)
            if count > lowest:
                self._waited_for.discard(name)

    def weigh(self) -> None:
        """Looks at the memory of every process."""
        for name, service in self._fleet.services.items():
            size = service.memory_bytes
            self.largest_bytes[name] = max(size, self.largest_bytes.get(name, 0))
            bound = LEARNER_BYTES if name == LEARNER else WORKER_BYTES
            if size > bound:
                self.violations.append(f"{name} holds {size / 1e6:.0f} MB; at most {bound / 1e6:.0f} are allowed")

    def _status(self) -> Any:
        try:
            return self._stub.GetRunStatus(pb.GetRunStatusRequest(), timeout=CALL_SECONDS).status
        except grpc.RpcError:
            # Away, paused, cut off: recovery has a deadline of its own.
            return None

    def _revive(self, during: str) -> None:
        """Starts anew what ended by itself: a violation, except for a learner whose disk is full."""
        for name, service in self._fleet.services.items():
            if service.alive:
                continue
            if name == LEARNER and self._fleet.disk.excuses:
                if self._fleet.disk.full:
                    continue
                self.exits_on_full_disk += 1
            else:
                self.violations.append(
                    f"{name} ended by itself with {service.exit_status} ({during}); it said last:\n{service.log_tail()}"
                )
            service.start()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
