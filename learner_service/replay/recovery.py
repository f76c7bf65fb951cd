"""What a ring's files still hold: found, checked, and told."""

import logging
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from learner_service.replay.files import ReplayFiles
from learner_service.replay.record import ChunkRecord, checksum

_logger = logging.getLogger(__name__)

PROGRESS_SECONDS: Final = 1.0
"""Between two lines of progress."""


@dataclass(kw_only=True)
class Recovered:
    """The chunks that are whole, and what was not."""

    records: list[ChunkRecord] = field(default_factory=list)
    """Of whole chunks, oldest first."""
    newest: ChunkRecord | None = None
    """Of the newest chunk committed, whole or damaged; None in an empty ring."""
    damaged_chunks: Counter[str] = field(default_factory=Counter)
    """Chunks dropped, by the name of the file that no longer holds what was written."""
    damaged_transitions: int = 0
    """Transitions in them."""
    lost_records: int = 0
    """Chunks whose record is unreadable, and which are dropped for that."""


def recover(files: ReplayFiles) -> Recovered:
    """Reads every record and checks every row that it speaks of.

    The oldest chunk, part of which a newer one may have begun to overwrite, is left out.
    """
    found = Recovered()
    readable = {record.serial: (record, checksums) for record, checksums in files.records()}
    if not readable:
        return found
    found.newest = newest = readable[max(readable)][0]
    oldest_position = max(files.reserved, newest.end) - files.capacity
    live = [readable[serial] for serial in sorted(readable) if readable[serial][0].position >= oldest_position]
    if live:
        found.lost_records = newest.serial - live[0][0].serial + 1 - len(live)
    total = sum(record.length for record, _ in live)
    checked, begun = 0, time.monotonic()
    told_at = begun
    for record, checksums in live:
        damaged = _damaged_files(files, record, checksums)
        if damaged:
            found.damaged_chunks.update(damaged)
            found.damaged_transitions += record.length
        else:
            found.records.append(record)
        checked += record.length
        if time.monotonic() - told_at >= PROGRESS_SECONDS:
            told_at = time.monotonic()
            _logger.info("replay: %s of %s transitions checked", f"{checked:,}", f"{total:,}")
    _logger.info("replay: %s transitions checked in %.1f s", f"{total:,}", time.monotonic() - begun)
    _tell(files, found, total)
    return found


def _damaged_files(files: ReplayFiles, record: ChunkRecord, checksums: tuple[int, ...]) -> list[str]:
    row = record.position % files.capacity
    return [
        files.file_names[column.name]
        for column, expected in zip(files.layout, checksums, strict=True)
        if checksum(files.columns[column.name], row, record.length + column.of_states) != expected
    ]


def _tell(files: ReplayFiles, found: Recovered, total: int) -> None:
    for name, chunks in found.damaged_chunks.items():
        _logger.error(
            "%s is damaged: %d chunks do not hold what was written, and are dropped", files.path / name, chunks
        )
    if found.lost_records:
        _logger.error(
            "%s is damaged: the records of %d chunks are unreadable, and these chunks are dropped",
            files.path / "index.bin",
            found.lost_records,
        )
    if found.damaged_chunks or found.lost_records:
        _logger.error("replay keeps %s transitions that are sound", f"{total - found.damaged_transitions:,}")
