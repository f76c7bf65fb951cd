"""`python -m tests.benchmarks.paced_launch`: `deploy.local` with paced simulators, except the evaluator's."""

import sys
from dataclasses import dataclass

from deploy.local.__main__ import main
from deploy.local.config import Programs


@dataclass(frozen=True, kw_only=True)
class PacedPrograms(Programs):
    """Collecting workers get the wrapper."""

    def worker_command(self, address: str, name: str, role: str) -> list[str]:
        """As a job has it, with the wrapper for who collects."""
        wrapper = ["--env-wrapper", "tests.benchmarks.pacing:paced"] if role == "collect" else []
        return [*super().worker_command(address, name, role), *wrapper]


if __name__ == "__main__":
    sys.exit(main(programs=PacedPrograms()))
