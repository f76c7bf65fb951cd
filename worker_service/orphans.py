"""What a simulator's owner left behind when it died: processes and folders, known by their owner's mark.

A program that a worker starts dies with it (`leash`), but not what that program itself started. So every process
inherits a mark in its environment variables, and every folder carries it in its name; whoever starts a simulator next
ends and removes what belongs to nobody. Linux alone has the files this reads; elsewhere nothing is found.
"""

import contextlib
import logging
import os
import shutil
import signal
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_logger = logging.getLogger(__name__)

OWNER_VARIABLE: Final = "DISTRIB_L2R_SIMULATOR_OWNER"
"""Every simulator's process has it: PID-START-IMAGE of its owner."""
FOLDER_PREFIX: Final = "distrib-l2r-simulator-"
"""A simulator's folder is named so, then its owner's mark."""

_IMAGE: Final = uuid.uuid4().hex[:12]
"""Tells this program from the one that had the same process before an `exec`."""


def owner_mark() -> str:
    """Names this process, unlike any before or after it with the same process id."""
    return f"{os.getpid()}-{_start_ticks(os.getpid())}-{_IMAGE}"


def make_folder() -> Path:
    """A new folder for a simulator of this process, in the machine's folder for temporary files.

    Raises:
        OSError: it cannot be made.
    """
    return Path(tempfile.mkdtemp(prefix=f"{FOLDER_PREFIX}{owner_mark()}-"))


def end_orphans() -> int:
    """Kills simulators whose owner is gone, and removes their folders; returns how many processes it killed."""
    killed = 0
    for pid, mark in _marked_processes():
        if not _lives(mark):
            # Ended between the look and the kill.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                killed += 1
    if killed:
        _logger.warning("killed %d processes of simulators whose worker is gone", killed)
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*-*-*-*"):
        if not _lives(folder.name.removeprefix(FOLDER_PREFIX)):
            # Somebody else's, or removed by another worker at the same time.
            shutil.rmtree(folder, ignore_errors=True)
    return killed


def _marked_processes() -> Iterator[tuple[int, str]]:
    needle = f"{OWNER_VARIABLE}=".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        # Other users' processes cannot be read; some end while they are looked at.
        with contextlib.suppress(OSError):
            for variable in (entry / "environ").read_bytes().split(b"\0"):
                if variable.startswith(needle):
                    yield int(entry.name), variable.removeprefix(needle).decode(errors="replace")
                    break


def _lives(mark: str) -> bool:
    """Whether the owner with this mark is still there; so is one whose mark cannot be read."""
    try:
        pid, start, image = mark.split("-")[:3]
        if int(pid) == os.getpid():
            return image == _IMAGE
        return _start_ticks(int(pid)) == int(start)
    except ValueError:
        return True


def _start_ticks(pid: int) -> int:
    """When a process started, in the kernel's ticks since its own start; 0 where there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    # The name before may hold anything, brackets and spaces too.
    return int(text.rpartition(")")[2].split()[19])
