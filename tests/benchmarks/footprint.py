"""What a process takes of the machine now, as Linux's /proc tells it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

MEGABYTE: Final = 1e6


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """A process's memory in RAM by kind, its threads and its descriptors."""

    anonymous_bytes: int
    """Its own memory: the heap, stacks."""
    file_bytes: int
    """Pages of mapped files, code and a file-backed replay among them: the kernel may drop them any time."""
    shared_bytes: int
    """Shared memory, files on tmpfs included."""
    threads: int
    """Native ones included."""
    descriptors: int
    """Open files, sockets, pipes."""

    @property
    def resident_bytes(self) -> int:
        """RSS."""
        return self.anonymous_bytes + self.file_bytes + self.shared_bytes


def read_footprint(pid: int) -> Footprint | None:
    """The process's footprint; None once it has ended."""
    process = Path("/proc") / str(pid)
    try:
        lines = (process / "status").read_text().splitlines()
        descriptors = len(list((process / "fd").iterdir()))
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = dict(line.split(":", 1) for line in lines)
    # A process that ended and was not waited for has no memory to tell of.
    if "RssAnon" not in fields:
        return None
    anonymous, file, shared = (1024 * int(fields[name].split()[0]) for name in ("RssAnon", "RssFile", "RssShmem"))
    return Footprint(
        anonymous_bytes=anonymous,
        file_bytes=file,
        shared_bytes=shared,
        threads=int(fields["Threads"]),
        descriptors=descriptors,
    )


def megabytes(count: float) -> float:
    """Bytes as MB, rounded for a row."""
    return round(count / MEGABYTE, 1)
