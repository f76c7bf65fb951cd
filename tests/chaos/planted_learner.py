"""`python -m tests.chaos.planted_learner drop|double [learner flags]`: a learner with a bug that the audit must find.

Nearly every chunk goes the true way. One in so many is acknowledged and not stored, or stored twice.
"""

import sys
from typing import Final

from distrib_l2r.trajectory import TrajectoryChunk
from learner_service.__main__ import main
from learner_service.replay.ring import ReplayRing

PERIOD_CHUNKS: Final = 20


def plant(bug: str) -> None:
    """Puts the bug into every ring of this process."""
    add = ReplayRing.add
    chunks = 0

    def wrong_add(ring: ReplayRing, session: int, chunk: TrajectoryChunk) -> None:
        nonlocal chunks
        chunks += 1
        times = 1
        if chunks % PERIOD_CHUNKS == 0:
            times = {"drop": 0, "double": 2}[bug]
        for _ in range(times):
            add(ring, session, chunk)

    ReplayRing.add = wrong_add  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    plant(sys.argv.pop(1))
    sys.exit(main())
