"""The ledger: what the learner acknowledged, as each worker process itself noted it down."""

import os
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np

from distrib_l2r.v1 import trajectory_pb2

SUFFIX = ".ledger"


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """One chunk that a worker was told is committed."""

    session_id: str
    sequence: int
    process: int
    """The worker process that drove it."""
    first_id: int
    """Of its first observation."""
    length: int
    """Transitions."""


class Ledger:
    """Appends to a file of this process alone; each line is one write, which a kill can only break off.

    Raises:
        FileExistsError: another process had this file, whose ids would come again.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def note(self, session_id: str, chunk: trajectory_pb2.TrajectoryChunk) -> None:
        """Notes a chunk of the chaos environment that was acknowledged."""
        ids = next(column.tensor for column in chunk.observation if column.name == "id")
        process, first_id = np.frombuffer(ids.data, "<i8", 2).tolist()
        length = ids.shape[0] - 1
        line = " ".join(map(str, astuple(Acknowledged(session_id, chunk.sequence, process, first_id, length))))
        os.write(self._file, f"{line}\n".encode())


def read_ledgers(directory: Path) -> Iterator[Acknowledged]:
    """Every whole line of every ledger there; a last line without its end was broken off by a kill."""
    for path in sorted(directory.glob(f"*{SUFFIX}")):
        for line in path.read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                session_id, *numbers = line.split()
                yield Acknowledged(session_id, *map(int, numbers))
