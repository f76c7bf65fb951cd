"""The experiment: faults one after the other, recovery between them, and the audit at the end."""

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from tests.chaos.audit import Audit, audit
from tests.chaos.config import ChaosConfig
from tests.chaos.faults import LEARNER_EXIT_SECONDS, WORKER_EXIT_SECONDS, Stop
from tests.chaos.fleet import Fleet
from tests.chaos.ledger import read_ledgers
from tests.chaos.schedule import Schedule, Strike, possible_kinds
from tests.chaos.watch import Watch

START_SECONDS: Final = 180.0
"""Until everything runs for the first time: programs are compiled, files made, caches cold."""


@dataclass(kw_only=True)
class Experiment:
    """One run against one fleet."""

    config: ChaosConfig
    fleet: Fleet
    watch: Watch
    faults: Counter[str] = field(default_factory=Counter)
    """How many of each kind struck."""

    def run(self) -> Audit:
        """Starts the fleet, lets the faults strike, stops the fleet cleanly and audits replay."""
        started = time.monotonic()
        kinds, missing = possible_kinds(self.fleet)
        for sentence in missing:
            print(sentence, flush=True)
        self.fleet.start()
        self.watch.begin_recovery()
        seconds = self.watch.await_recovery("the start", START_SECONDS)
        print(f"seed {self.config.seed}: everything runs after {seconds:.1f} s", flush=True)
        limit = (self.config.minutes_limit or float("inf")) * 60
        settled = True
        for strike in Schedule(self.config.seed, kinds, self.fleet.worker_names):
            if self.faults.total() >= self.config.faults or time.monotonic() - started >= limit:
                break
            settled = self._strike(strike, settled)
        self._end()
        evaluators = frozenset(self.fleet.evaluator_processes)
        found = audit(self.fleet.run_directory / "replay", read_ledgers(self.fleet.ledgers), evaluators)
        self._check_versions(found)
        return found

    def _strike(self, strike: Strike, settled: bool) -> bool:
        """Returns whether the fleet recovered from it."""
        started = time.monotonic()
        # A process that is still starting cannot end cleanly yet.
        if not settled and any(isinstance(fault, Stop) for fault in strike.faults):
            self.watch.await_recovery("faults in haste", self.config.recovery_seconds)
        faults = list(islice(strike.faults, self.config.faults - self.faults.total()))
        what = " with ".join(map(str, faults))
        for fault in faults:
            self.faults[fault.kind] += 1
            wrong = fault.begin(self.fleet)
            if wrong is not None:
                self.watch.violations.append(f"{wrong} ({what})")
        self.watch.hold(max(fault.seconds for fault in faults), what)
        for fault in reversed(faults):
            fault.end(self.fleet)
        self.watch.begin_recovery()
        struck = time.monotonic()
        recovery = self.watch.await_recovery(what, self.config.recovery_seconds) if strike.settles else 0.0
        self.watch.weigh()
        after = f"recovered in {recovery:.1f} s" if strike.settles else "the next in haste"
        print(
            f"{self.faults.total()}/{self.config.faults} {what}: {struck - started:.1f} s, {after}, "
            f"{self.watch.transitions} transitions",
            flush=True,
        )
        return strike.settles

    def _end(self) -> None:
        """Everything recovers and ends cleanly."""
        self.fleet.lift_faults()
        self.watch.begin_recovery()
        self.watch.await_recovery("the last fault", self.config.recovery_seconds)
        for name in self.fleet.worker_names:
            self._stop(name, WORKER_EXIT_SECONDS)
        self._stop(self.fleet.learner.name, LEARNER_EXIT_SECONDS)

    def _stop(self, name: str, deadline_seconds: float) -> None:
        wrong = self.fleet.services[name].terminate(deadline_seconds)
        if wrong is not None:
            self.watch.violations.append(f"{wrong} (the end)")

    def _check_versions(self, found: Audit) -> None:
        """The version that the learner kept at its end must be the newest that anybody saw."""
        file = self.fleet.run_directory / "newest" / "policy.json"
        kept = json.loads(file.read_text())["policy_version"] if file.exists() else 0
        seen = max(self.watch.newest_version, found.newest_version)
        if kept < seen:
            self.watch.violations.append(f"the learner kept policy version {kept} at its end; {seen} had been seen")
