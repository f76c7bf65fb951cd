"""A process that adds chunks to a ring in files until it is killed: `python -m tests.replay.killed_writer DIRECTORY`.

It prints the sequence of each chunk once it is committed.
"""

import itertools
import sys
from pathlib import Path

import numpy as np

from distrib_l2r.trajectory import TrajectoryChunk
from learner_service.replay.files import ReplayFiles
from learner_service.replay.ring import ReplayRing
from tests.replay.builders import SPACES, marked_chunk

CAPACITY = 1_000
LENGTHS = (1, 7, 64, 3, 250)


def main(path: Path) -> None:
    """Adds and tells."""
    files = ReplayFiles(path) if ReplayFiles.exist(path) else ReplayFiles.create(path, SPACES, CAPACITY)
    ring = ReplayRing(SPACES, capacity=CAPACITY, files=files)
    newest = ring.recovered.newest
    for sequence in itertools.count(newest.sequence + 1 if newest else 1):
        ring.add(1, chunk_of(sequence))
        sys.stdout.write(f"{sequence}\n")
        sys.stdout.flush()


def chunk_of(sequence: int) -> TrajectoryChunk:
    """The chunk with this number: all its marks tell which it is."""
    length = LENGTHS[sequence % len(LENGTHS)]
    marks = sequence + np.arange(length + 1) / 1024
    return marked_chunk(marks, np.full(length, sequence), episode_id=sequence, sequence=sequence)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
