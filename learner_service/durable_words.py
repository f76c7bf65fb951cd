"""Whole numbers that survive the process."""

import mmap
import os
from pathlib import Path
from typing import Final

import numpy as np

WORD_BYTES: Final = 8


class DurableWords:
    """Named numbers, int64, in a memory-mapped file of their own; 0 before their first store.

    A store is one aligned write of eight bytes: whoever opens the file after a `kill -9` at any instruction finds the
    old number or the new one. A power loss may bring back numbers from before the last `sync`.

    Raises:
        OSError: the file cannot be made.
    """

    def __init__(self, path: Path, names: tuple[str, ...]) -> None:
        self._slots = {name: slot for slot, name in enumerate(names)}
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        size = WORD_BYTES * len(names)
        os.posix_fallocate(self._file, 0, size)
        self._words = np.frombuffer(mmap.mmap(self._file, size), "<i8")

    def __getitem__(self, name: str) -> int:
        return int(self._words[self._slots[name]])

    def __setitem__(self, name: str, number: int) -> None:
        self._words[self._slots[name]] = number

    def sync(self) -> None:
        """Waits until the numbers are on the disk."""
        os.fdatasync(self._file)

    def close(self) -> None:
        """Lets go of the file; the numbers may not be used afterwards."""
        self._words = np.empty(0, np.int64)
        os.close(self._file)
