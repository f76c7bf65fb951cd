"""The replay: a job's best policy driven once more, by the very command that the user is given."""

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.local.child import Child, stop
from deploy.pictures.trace import Trace, best_trace, read_traces

REPLAY_SECONDS: Final = 120.0
"""A replay takes seconds; one that takes longer hangs."""

STOP_SECONDS: Final = 2.0
"""Time for a replay to end when it is no longer wanted."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Replay:
    """What the replay showed."""

    printed: str
    """What the command printed."""
    trace: Trace | None
    """The fastest lap, or the longest stretch without one; None where no trace was asked for."""


def drive_command(policy: Path) -> list[str]:
    """Drives the policy in the folder `policy`, from any working directory."""
    return [sys.executable, "-m", "worker_service.drive", str(policy.resolve())]


def drive_line(policy: Path) -> str:
    """`drive_command` as a line for a shell."""
    return shlex.join(drive_command(policy))


def replay(policy: Path, log: Path, trace_file: Path | None) -> Replay:
    """Drives the policy in the folder `policy`.

    Args:
        log: takes what the command prints.
        trace_file: takes its trace; None asks for none.

    Raises:
        JobError: the command failed or took too long.
        ValueError: its trace is not one.
        OSError: a file cannot be written or read.
    """
    command = drive_command(policy)
    if trace_file is not None:
        command += ["--trace", str(trace_file)]
    child = Child("replay", command, log)
    try:
        ended = child.wait(REPLAY_SECONDS)
    finally:
        stop([child], STOP_SECONDS)
    if not ended:
        raise child.post_mortem(f"it took longer than {REPLAY_SECONDS:g} s")
    if child.exit_status != 0:
        raise child.post_mortem("the best policy cannot be driven")
    trace = best_trace(read_traces(trace_file)) if trace_file is not None else None
    return Replay(printed=log.read_text(), trace=trace)
