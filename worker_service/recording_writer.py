"""The thread that writes recordings as HDF5, so that nobody who drives waits for a disk."""

import contextlib
import logging
import queue
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import h5py

from distrib_l2r.tensor import Array

_logger = logging.getLogger(__name__)

QUEUE_BYTES: Final = 64_000_000
"""Most that waits for the disk."""
QUEUE_BLOCKS: Final = 256
"""Likewise: a fast simulator fills many small ones while a file is being opened, but all must be written in the little
time that a worker has to end."""
PARTIAL: Final = ".partial"
COMPRESSION_LEVEL: Final = 1
"""Of pictures alone: numbers hardly shrink."""

Attributes = Mapping[str, str | int | float]


@dataclass(frozen=True, eq=False)
class EpisodeFile:
    """A recording that is being written, known to both threads.

    Attributes:
        path: its name when it is complete.
        given_up: set when the rest of it will not come.
    """

    path: Path
    given_up: threading.Event = field(default_factory=threading.Event)

    @property
    def partial(self) -> Path:
        """Its name until then."""
        return self.path.with_name(f".{self.path.name}{PARTIAL}")


@dataclass(frozen=True)
class _Block:
    file: EpisodeFile
    columns: Mapping[str, Array]

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(rows.nbytes for rows in self.columns.values())


@dataclass(frozen=True)
class _End:
    file: EpisodeFile
    about: Attributes


class RecordingWriter:
    """Writes files, block by block, on a thread of its own."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[_Block | _End | None] = queue.SimpleQueue()
        self._waiting_bytes = self._waiting_blocks = 0
        self._waiting_lock = threading.Lock()
        self._file: EpisodeFile | None = None
        self._open: Any = None
        self._thread = threading.Thread(target=self._run, name="recording-writer", daemon=True)
        self._thread.start()

    def put(self, file: EpisodeFile, columns: Mapping[str, Array]) -> bool:
        """Hands rows over, [N, ...] by column; False, and the file is given up, if too much waits already."""
        block = _Block(file, columns)
        with self._waiting_lock:
            if self._waiting_bytes + block.size > QUEUE_BYTES or self._waiting_blocks == QUEUE_BLOCKS:
                file.given_up.set()
            if file.given_up.is_set():
                return False
            self._waiting_bytes += block.size
            self._waiting_blocks += 1
        self._queue.put(block)
        return True

    def end(self, file: EpisodeFile, about: Attributes) -> None:
        """The file is complete with these attributes, unless it was given up before."""
        self._queue.put(_End(file, about))

    def close(self, timeout_seconds: float) -> bool:
        """Writes what is left and ends the thread; False if that takes longer."""
        self._queue.put(None)
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            if isinstance(item, _Block):
                with self._waiting_lock:
                    self._waiting_bytes -= item.size
                    self._waiting_blocks -= 1
            if self._file is not None and (self._file is not item.file or self._file.given_up.is_set()):
                self._discard()
            if item.file.given_up.is_set():
                continue
            try:
                if isinstance(item, _Block):
                    self._append(item)
                else:
                    self._complete(item)
            except Exception:
                # A full disk must not end the driving; what is wrong is told, and the file is gone.
                _logger.exception("recording %s cannot be written and is given up", item.file.path)
                item.file.given_up.set()
                self._discard()
        self._discard()

    def _append(self, block: _Block) -> None:
        if self._open is None:
            self._file = block.file
            self._open = h5py.File(block.file.partial, "w", track_order=True)
        for name, rows in block.columns.items():
            if name not in self._open:
                packed = {"compression": "gzip", "compression_opts": COMPRESSION_LEVEL} if rows.ndim > 2 else {}
                shape = rows.shape[1:]
                # As many rows at a time as have come: a picture is not spread over several chunks.
                chunk = (1 if rows.ndim > 2 else len(rows), *shape)
                self._open.create_dataset(name, data=rows, maxshape=(None, *shape), chunks=chunk, **packed)
            else:
                data = self._open[name]
                data.resize(len(data) + len(rows), axis=0)
                data[-len(rows) :] = rows

    def _complete(self, end: _End) -> None:
        self._open.attrs.update(end.about)
        self._open.close()
        self._open = self._file = None
        end.file.partial.replace(end.file.path)

    def _discard(self) -> None:
        """What is open will never be complete."""
        file, opened = self._file, self._open
        self._file = self._open = None
        if file is not None:
            if opened is not None:
                with contextlib.suppress(OSError, RuntimeError):  # as full as the disk may be
                    opened.close()
            file.partial.unlink(missing_ok=True)
