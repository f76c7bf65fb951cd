"""TORCS where it is installed, and the processes of it that run."""

import os
from pathlib import Path

import pytest

from worker_service.orphans import OWNER_VARIABLE
from worker_service.simulators.scr.torcs import installation


def _installed() -> bool:
    try:
        installation()
    except FileNotFoundError:
        return False
    return True


needs_torcs = pytest.mark.skipif(not _installed(), reason="TORCS and its robot are not here: run make torcs")


def running_torcs(marker: str) -> list[int]:
    """Processes of TORCS, in any state but reaped, whose environment variable TORCS_TEST is `marker`."""
    wanted = f"TORCS_TEST={marker}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            variables = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if wanted in variables and any(variable.startswith(OWNER_VARIABLE.encode()) for variable in variables):
            found.append(int(entry.name))
    return found


def zombies() -> list[int]:
    """Children of this process that have ended and are not reaped."""
    own = str(os.getpid())
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            name, _, rest = (entry / "stat").read_text().rpartition(")")
        except OSError:
            continue
        state, parent = rest.split()[:2]
        if state == "Z" and parent == own and "torcs" in name:
            found.append(int(entry.name))
    return found
