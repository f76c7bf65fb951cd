"""The run directory's own file system, which can be filled to the brim."""

import errno
import os
import shutil
import subprocess
import time
from contextlib import ExitStack
from math import inf
from pathlib import Path
from typing import Final

TOOL_SECONDS: Final = 30.0
BLOCK_BYTES: Final = 4096
EXCUSE_SECONDS: Final = 5.0


class Disk:
    """A memory file system mounted on `path`, or a plain directory where mounting is not allowed.

    Args:
        path: made here.
        megabytes: its size.
        stack: unmounts it.
    """

    def __init__(self, path: Path, megabytes: int, stack: ExitStack) -> None:
        path.mkdir()
        self.path = path
        self.limited = (
            os.geteuid() == 0
            and shutil.which("mount") is not None
            and _run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "chaos", str(path))
        )
        """Whether it can be full: only a file system of its own."""
        self._filler = path / "filler"
        self._freed_at = -inf
        if self.limited:
            stack.callback(self._unmount)

    @property
    def full(self) -> bool:
        """Whether the filler lies on it."""
        return self._filler.exists()

    @property
    def excuses(self) -> bool:
        """Whether it is full, or was so lately that a process may still end for that."""
        return self.full or time.monotonic() < self._freed_at + EXCUSE_SECONDS

    def fill(self) -> None:
        """Takes all free space, to the last block."""
        file = os.open(self._filler, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            size, step = 0, 1 << 30
            while step >= BLOCK_BYTES:
                try:
                    os.posix_fallocate(file, size, step)
                    size += step
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    step //= 2
        finally:
            os.close(file)

    def free(self) -> None:
        """Gives the space back."""
        if self.full:
            self._filler.unlink()
            self._freed_at = time.monotonic()

    def _unmount(self) -> None:
        if not _run("umount", str(self.path)) and not _run("umount", "--lazy", str(self.path)):
            raise OSError(f"cannot unmount {self.path}; end what uses it and unmount it by hand")


def _run(*command: str) -> bool:
    return subprocess.run(command, check=False, capture_output=True, timeout=TOOL_SECONDS).returncode == 0
