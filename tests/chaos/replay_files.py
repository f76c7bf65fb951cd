"""Reads the files of replay from their format alone, without the learner's code."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import xxhash

Array = npt.NDArray[Any]
FORMAT: Final = 1


@dataclass(frozen=True, eq=False)
class StoredChunk:
    """A committed chunk of T steps as the files have it."""

    record: Any
    """The fields of its record, by name."""
    columns: dict[str, Array]
    """By name: T + 1 rows of observation columns, T of all others."""
    broken: tuple[str, ...]
    """Columns whose bytes do not have the record's checksum."""


class ReplayFiles:
    """A replay directory at rest.

    Raises:
        ValueError: it has another format.
    """

    def __init__(self, directory: Path) -> None:
        facts = json.loads((directory / "replay.json").read_text())
        if facts["format"] != FORMAT:
            raise ValueError(f"replay.json has format {facts['format']}; this audit reads {FORMAT}")
        self.capacity = int(facts["capacity"])
        self._columns: dict[str, Array] = {}
        for column in facts["columns"]:
            shape = (self.capacity, *column["shape"])
            self._columns[column["name"]] = np.memmap(directory / column["file"], column["dtype"], "r", shape=shape)
        fields = [(name, kind, *map(tuple, shape)) for name, kind, *shape in facts["record"]]
        records = np.fromfile(directory / "index.bin", np.dtype(fields))
        content = records.view(np.uint8).reshape(len(records), -1)
        written = np.flatnonzero(content.any(axis=1))
        whole = [slot for slot in written if _is_whole(records[slot], content[slot], slot, len(records))]
        self.unreadable_slots = len(written) - len(whole)
        """Slots that were written to and hold no whole record of their own."""
        self.records = np.sort(records[whole], order="serial")
        """Every committed record, by serial."""

    def chunks(self) -> Iterator[StoredChunk]:
        """Every committed chunk, in the order of their commits."""
        for record in self.records:
            columns, broken = {}, []
            for number, (name, column) in enumerate(self._columns.items()):
                rows = int(record["length"]) + name.startswith("observation/")
                columns[name] = values = _rows(column, int(record["position"]) % self.capacity, rows)
                if xxhash.xxh3_64_intdigest(values.tobytes()) != record["checksums"][number]:
                    broken.append(name)
            yield StoredChunk(record, columns, tuple(broken))


def _is_whole(record: Any, content: Array, slot: np.intp, slots: int) -> bool:
    return bool(
        xxhash.xxh3_64_intdigest(content[:-8].tobytes()) == record["checksum"]
        and (int(record["serial"]) - 1) % slots == slot
    )


def _rows(column: Array, first: int, count: int) -> Array:
    """Consecutive rows, going on at row 0 past the end."""
    return np.concatenate((column[first : first + count], column[: max(0, first + count - len(column))]))
