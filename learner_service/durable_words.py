"""Whole numbers that survive the process."""

from pathlib import Path

import numpy as np

from learner_service.mapped_file import MappedFile


class DurableWords:
    """Named numbers, int64, in a memory-mapped file of their own; 0 before their first store.

    A store is one aligned write of eight bytes: whoever opens the file after a `kill -9` at any instruction finds the
    old number or the new one. A power loss may bring back numbers from before the last `sync`.

    Raises:
        OSError: the file cannot be made.
    """

    def __init__(self, path: Path, names: tuple[str, ...]) -> None:
        self._slots = {name: slot for slot, name in enumerate(names)}
        self._file = MappedFile(path, (len(names),), "<i8")
        self._words = self._file.array

    def __getitem__(self, name: str) -> int:
        return int(self._words[self._slots[name]])

    def __setitem__(self, name: str, number: int) -> None:
        self._words[self._slots[name]] = number

    def sync(self) -> None:
        """Waits until the numbers are on the disk."""
        self._file.sync()

    def close(self) -> None:
        """Lets go of the file; the numbers may not be used afterwards."""
        self._words = np.empty(0, np.int64)
        self._file.close()
