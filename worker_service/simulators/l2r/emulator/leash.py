"""A process that cannot outlive the one that started it."""

import ctypes
import os
import signal
import sys
from typing import Final

PR_SET_PDEATHSIG: Final = 1
"""From <linux/prctl.h>."""


def die_with(parent: int) -> None:
    """Asks the kernel to kill this process when its parent ends; on Linux alone.

    Args:
        parent: the process id that the parent must have.

    Raises:
        OSError: the kernel refuses, or the parent has ended already.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
            error = ctypes.get_errno()
            raise OSError(error, f"prctl(PR_SET_PDEATHSIG) failed: {os.strerror(error)}")
    if os.getppid() != parent:
        raise OSError(f"process {parent}, which should be the parent, is gone")
