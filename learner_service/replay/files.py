"""The ring's files: rows, records and counters in memory-mapped files."""

import contextlib
import errno
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from google.protobuf import json_format

from distrib_l2r.spaces import Spaces, decode_spaces, encode_spaces
from distrib_l2r.tensor import Array
from distrib_l2r.v1 import spaces_pb2
from learner_service.durable_words import DurableWords
from learner_service.mapped_file import MappedFile
from learner_service.replace_file import replace_file
from learner_service.replay.columns import Column, ring_columns
from learner_service.replay.record import ChunkRecord, RecordFormat

FORMAT: Final = 1
"""Of the files; another number is refused."""


class ReplayFilesError(ValueError):
    """These files cannot be used; the message says why and what to do."""


class ReplayFiles:
    """Rows and records of a ring, shared with the kernel: they outlive the process, killed at whatever instruction.

    A directory holds `replay.json` (capacity, spaces, columns, layout of a record), one file a column, `index.bin` with
    the records, and `counters.bin`. All space is taken at the start: a disk that fills up later costs no chunk.

    The order of writes makes the commit. First `reserve` tells which old rows may be overwritten from now on, then the
    rows are written, then the record. A chunk without its record never was; with it, its rows are complete. Records lie
    in slots by their serial; a ring has more slots than chunks, so that a record only ever replaces a dead one.

    A power loss may take what the kernel had not written yet: whatever came after the last `sync`.
    """

    def __init__(self, path: Path) -> None:
        """Opens the files in the directory `path`.

        Raises:
            ReplayFilesError: they are damaged beyond use, or of another format.
            OSError: they cannot be read.
        """
        self.path = path
        facts = self._facts()
        self.capacity = int(facts["capacity"])
        self.spaces: Spaces = decode_spaces(json_format.ParseDict(facts["spaces"], spaces_pb2.Spaces()))
        self.layout = layout = ring_columns(self.spaces)
        self.file_names = {column.name: _file_name(index, column) for index, column in enumerate(layout)}
        self._files: dict[str, MappedFile] = {}
        with contextlib.ExitStack() as undo:
            undo.callback(self.close)
            self.columns: Mapping[str, Array] = {
                column.name: self._map(self.file_names[column.name], (self.capacity, *column.shape), column.dtype)
                for column in layout
            }
            self.format = RecordFormat(len(layout))
            self.slots = index_slots(self.capacity)
            self._index = self._map("index.bin", (self.slots, self.format.size), np.dtype(np.uint8))
            # Several times faster to write into than the array.
            self._index_bytes = self._index.data.cast("B")
            self._counters = DurableWords(path / "counters.bin", ("reserved",))
            undo.pop_all()

    @classmethod
    def create(cls, path: Path, spaces: Spaces, capacity: int) -> Self:
        """Makes the files of an empty ring and opens them.

        Raises:
            OSError: they cannot be made; where the disk lacks room the message says how much it takes.
        """
        layout = ring_columns(spaces)
        record = RecordFormat(len(layout))
        sizes = {_file_name(index, column): capacity * column.row_bytes for index, column in enumerate(layout)}
        sizes["index.bin"] = index_slots(capacity) * record.size
        path.mkdir(parents=True, exist_ok=True)
        for name, size in sizes.items():
            _allocate(path / name, size, sum(sizes.values()))
        facts = {
            "format": FORMAT,
            "capacity": capacity,
            "columns": [
                {
                    "name": column.name,
                    "file": _file_name(index, column),
                    "dtype": column.dtype.str,
                    "shape": column.shape,
                }
                for index, column in enumerate(layout)
            ],
            "record": record.dtype_fields,
            "spaces": json_format.MessageToDict(encode_spaces(spaces)),
        }
        # Last, and whole or not at all: with it the ring exists.
        replace_file(path / "replay.json", (json.dumps(facts, indent=2) + "\n").encode())
        return cls(path)

    @staticmethod
    def exist(path: Path) -> bool:
        """Whether `path` holds a ring."""
        return (path / "replay.json").exists()

    @property
    def reserved(self) -> int:
        """Rows written before this position may have been begun; those `capacity` below it are gone."""
        return self._counters["reserved"]

    def reserve(self, end: int) -> None:
        """Says that rows up to the position `end` are about to be written."""
        self._counters["reserved"] = end

    def commit(self, record: ChunkRecord, checksums: Sequence[int]) -> None:
        """Makes a chunk part of the ring; its rows must have been written."""
        start = (record.serial - 1) % self.slots * self.format.size
        self._index_bytes[start : start + self.format.size] = self.format.pack(record, checksums)

    def records(self) -> Iterator[tuple[ChunkRecord, tuple[int, ...]]]:
        """Every readable record with the checksums of its columns, in no order."""
        for slot in np.flatnonzero(self._index.any(axis=1)):
            read = self.format.unpack(self._index[slot].tobytes())
            if read is not None and (read[0].serial - 1) % self.slots == slot:
                yield read

    def sync(self) -> None:
        """Waits until everything written so far is on the disk: columns first, then the records that speak of them."""
        for file in list(self._files.values()):
            file.sync()
        self._counters.sync()

    def close(self) -> None:
        """Lets go of the files; maps stay valid while arrays of them are in use."""
        while self._files:
            self._files.popitem()[1].close()
        if hasattr(self, "_counters"):
            self._counters.close()

    def _facts(self) -> dict[str, Any]:
        file = self.path / "replay.json"
        try:
            facts = json.loads(file.read_text())
            found = facts["format"]
        except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
            raise ReplayFilesError(
                f"{file} is damaged ({type(error).__name__}: {error}); without it the rows beside it have no meaning: "
                f"move {self.path} away to begin with an empty replay"
            ) from error
        if found != FORMAT:
            raise ReplayFilesError(
                f"{file} has format {found}; this learner reads {FORMAT}: use the release that wrote it, or move "
                f"{self.path} away"
            )
        return dict(facts)

    def _map(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        if size == 0:
            return np.zeros(shape, dtype)
        # A file cut short is made whole with zeros; checksums tell what was lost with its end.
        _allocate(self.path / name, size, size)
        file = self._files[name] = MappedFile(self.path / name, shape, dtype)
        return file.array


def index_slots(capacity: int) -> int:
    """Records that a ring of so many rows keeps: the shortest chunk takes 2 rows, and one more is being written."""
    return capacity // 2 + 1


def _file_name(index: int, column: Column) -> str:
    readable = re.sub(r"[^A-Za-z0-9_-]+", ".", column.name)[:100]
    return f"{index:02d}.{readable}.bin"


def _allocate(path: Path, size: int, total: int) -> None:
    """Takes the disk space of a file, which keeps its content."""
    if size == 0:
        return
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        before, free = os.fstat(file), shutil.disk_usage(path.parent).free
        # Asked first: a failing call would fill the disk before it fails, to everybody's harm.
        if size - 512 * before.st_blocks > free:
            raise OSError(
                errno.ENOSPC,
                f"replay takes {total:,} bytes in {path.parent}, where {free:,} are free: make room, lower "
                "replay_capacity, or keep replay in memory with --memory-only",
            )
        try:
            os.posix_fallocate(file, 0, size)
        except OSError:
            os.ftruncate(file, before.st_size)
            raise
    finally:
        os.close(file)
