"""CPU time that processes and their threads have taken, as Linux's /proc tells it."""

import os
from pathlib import Path
from typing import Final

TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
"""The resolution: 100 on nearly every Linux, so that windows should last for seconds."""


def process_seconds(pid: int) -> float:
    """User and system time of a process, all its threads together, ended ones included.

    Raises:
        FileNotFoundError: it has ended.
    """
    return _read(Path(f"/proc/{pid}/stat"))


def thread_seconds(pid: int, thread: int) -> float:
    """User and system time of one thread, by its native id.

    Raises:
        FileNotFoundError: it has ended.
    """
    return _read(Path(f"/proc/{pid}/task/{thread}/stat"))


def _read(path: Path) -> float:
    # The name before the last bracket may hold anything; utime and stime are the 14th and 15th of all fields.
    fields = path.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND
