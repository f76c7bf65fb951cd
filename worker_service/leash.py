"""Turns into a program that cannot outlive its launcher: `python leash.py PARENT_PID COMMAND...`.

The launcher is `make run` with its services, or a worker with its simulator. The kernel is asked to send this process
SIGKILL when its parent dies, and then `exec` puts the program in its place; the request survives `exec`. So nothing has
to watch, no moment is left in which a killed launcher leaves an orphan, and the program keeps the process id that the
launcher knows. Between fork and exec, where Python cannot run safely in a
launcher with threads (gRPC has some), there is no code of ours at all.

SIGKILL, because a program that ignores a politer signal would stay; the learner's replay is made for it. The request
exists on Linux alone: elsewhere a killed launcher leaves its programs to be ended by hand.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""From <linux/prctl.h>."""


def main(arguments: list[str]) -> None:
    """Becomes `arguments[1:]`; `arguments[0]` is the launcher's process id.

    Raises:
        OSError: the kernel refuses, or there is no such command.
    """
    parent, *command = arguments
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
            error = ctypes.get_errno()
            raise OSError(error, f"prctl(PR_SET_PDEATHSIG) failed: {os.strerror(error)}")
    # A launcher that died before the request would never be noticed.
    if os.getppid() != int(parent):
        raise SystemExit(f"process {parent}, which should be the parent, is gone; nothing is started")
    os.execvp(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])
