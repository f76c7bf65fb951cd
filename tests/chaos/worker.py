"""`python -m tests.chaos.worker LEDGER [worker flags]`: a worker that keeps a ledger of what was acknowledged."""

import logging
import sys
from pathlib import Path

import tyro

from tests.chaos.ledger import Ledger
from worker_service import worker
from worker_service.config import WorkerConfig
from worker_service.outbox import Outbox


class NotingOutbox(Outbox):
    """Notes each chunk when it lets it go."""

    ledger: Ledger
    client: object

    def acknowledge(self, sequence: int) -> None:
        first = self.acknowledged_sequence + 1
        chunks = [chunk for number in range(first, sequence + 1) if (chunk := self.find(number)) is not None]
        super().acknowledge(sequence)
        # The session's name is the client's own affair, and nothing else tells it.
        session_id = self.client._session_id  # type: ignore[attr-defined]
        for chunk in chunks:
            self.ledger.note(session_id, chunk)


def main() -> None:
    """Works until told to stop."""
    ledger_path, *flags = sys.argv[1:]
    config = tyro.cli(WorkerConfig, args=flags)
    logging.basicConfig(level=config.log_level, format=f"%(asctime)s {config.name} %(levelname)s: %(message)s")
    worker.Outbox = NotingOutbox  # type: ignore[attr-defined]
    process = worker.AsyncWorker(config=config)
    outbox = process._outbox
    assert isinstance(outbox, NotingOutbox)
    outbox.ledger, outbox.client = Ledger(Path(ledger_path)), process._client
    process.work()


if __name__ == "__main__":
    main()
