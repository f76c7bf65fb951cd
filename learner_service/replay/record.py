"""The record of a committed chunk: what recovery needs beside the rows."""

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import xxhash

_FIELDS: Final = "<8Q2I"


class ChunkRecord(NamedTuple):
    """One committed chunk. All numbers are unsigned; the last two take 4 bytes on disk, the others 8."""

    serial: int
    """Counts the ring's chunks from 1."""
    position: int
    """Of its first row, counted over all rows ever written."""
    inserted: int
    """Transitions ever added, with this chunk's."""
    session: int
    """Number of the session that brought it."""
    sequence: int
    """Its number in the session."""
    episode_id: int
    first_step: int
    policy_version: int
    length: int
    """Steps; it takes one row more."""
    ending: int
    """Of its last step."""

    @property
    def end(self) -> int:
        """The position after its tail."""
        return self.position + self.length + 1


_NAMES: Final = ChunkRecord._fields


class RecordFormat:
    """Records of a ring of so many columns, as bytes of one size: fields, a checksum a column, a checksum of all that.

    A record is committed when its own checksum is right: no other flag says so, and none can disagree. Checksums are
    xxh3 of 64 bits.
    """

    def __init__(self, column_count: int) -> None:
        self._struct = struct.Struct(f"{_FIELDS}{column_count}Q")
        self.size = self._struct.size + 8

    @property
    def dtype_fields(self) -> list[tuple[str, str] | tuple[str, str, tuple[int]]]:
        """The layout for NumPy: field names with their types."""
        columns = (self._struct.size - struct.calcsize(_FIELDS)) // 8
        return [
            *((name, "<u8") for name in _NAMES[:8]),
            *((name, "<u4") for name in _NAMES[8:]),
            ("checksums", "<u8", (columns,)),
            ("checksum", "<u8"),
        ]

    def pack(self, record: ChunkRecord, checksums: Sequence[int]) -> bytes:
        """The record's bytes."""
        content = self._struct.pack(*record, *checksums)
        return content + xxhash.xxh3_64_intdigest(content).to_bytes(8, "little")

    def unpack(self, content: bytes) -> tuple[ChunkRecord, tuple[int, ...]] | None:
        """A record and the checksums of its columns; None where these bytes are no whole record."""
        if xxhash.xxh3_64_intdigest(content[:-8]).to_bytes(8, "little") != content[-8:]:
            return None
        fields = self._struct.unpack(content[:-8])
        return ChunkRecord(*fields[:10]), fields[10:]


def checksum(rows: "npt.NDArray[np.generic]", first_row: int, count: int) -> int:
    """Of `count` consecutive rows of a column from `first_row` on, going on at row 0 past the end."""
    digest = xxhash.xxh3_64()
    before_end = min(count, len(rows) - first_row)
    digest.update(np.ascontiguousarray(rows[first_row : first_row + before_end]).data)
    digest.update(np.ascontiguousarray(rows[: count - before_end]).data)
    return digest.intdigest()
