"""The network between learner and workers: namespaces with faults, or loopback where there is no tool for them."""

import ctypes
import json
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Protocol

TOOL_SECONDS: Final = 60.0
CONTROL: Final = Path("/run/testbed/netfault")
SESSION: Final = "chaos"
"""Begins the names of this suite's sessions; the process id ends them."""
CLONE_NEWNET: Final = 0x40000000
"""From <linux/sched.h>."""
SOUND: Final[dict[str, float | bool]] = {
    "delay_ms": 0.0,
    "jitter_ms": 0.0,
    "loss": 0.0,
    "rate_mbit": 0.0,
    "cut": False,
}
"""A link without faults, in the tool's own words."""


class Network(Protocol):
    """Where services run and how they reach each other."""

    faulty: bool
    """Whether links can be given faults."""
    host: str
    """What the learner binds."""
    learner_name: str
    """The learner's name for workers."""

    def command(self, node: str) -> list[str]:
        """What comes before a command so that it runs on that node."""

    def set_link(self, node: str, **faults: float | bool) -> None:
        """Gives a node's link exactly these faults; none: the link is sound again."""


class Loopback:
    """No faults."""

    faulty = False
    host = "127.0.0.1"
    learner_name = "127.0.0.1"

    def command(self, node: str) -> list[str]:
        return []

    def set_link(self, node: str, **faults: float | bool) -> None:
        raise NotImplementedError(f"the link of {node} is loopback, which has no faults: bring the testbed's netfault")


class FaultyNetwork:
    """A network namespace a node, and this thread in the learner's, whatever the links do.

    Args:
        tool: the testbed's netfault.
        nodes: learner and workers.
        stack: takes it all down.

    Raises:
        subprocess.SubprocessError: the tool fails.
        OSError: the learner's namespace cannot be entered.
    """

    faulty = True
    host = "0.0.0.0"  # noqa: S104  # of a namespace of its own
    learner_name = "learner"

    def __init__(self, tool: Path, nodes: list[str], stack: ExitStack) -> None:
        _end_leftovers(tool)
        session = f"{SESSION}{os.getpid()}"
        self._base = [sys.executable, str(tool), "--session", session]
        self._control = CONTROL / session / "control.json"
        self._links: dict[str, dict[str, float | bool]] = {node: dict(SOUND) for node in nodes}
        stack.callback(_down, tool, session)
        _run([*self._base, "up", *nodes])
        home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        stack.callback(os.close, home)
        # Before everything is taken down, which ends all processes inside.
        stack.callback(_enter, home)
        with Path(f"/run/netns/{session}-learner").open("rb") as learner:
            _enter(learner.fileno())

    def command(self, node: str) -> list[str]:
        return [*self._base, "exec", node, "--"]

    def set_link(self, node: str, **faults: float | bool) -> None:
        self._links[node] = {**SOUND, **faults}
        new = self._control.with_suffix(".chaos")
        new.write_text(json.dumps({name: {**link, "cut_from": []} for name, link in self._links.items()}))
        new.replace(self._control)


def find_tool(root: Path) -> Path | None:
    """The testbed's netfault: in TESTBED_DIR, else in shared/testbed beside the repository or above it."""
    named = os.environ.get("TESTBED_DIR")
    above = [Path(named)] if named else [parent / "shared" / "testbed" for parent in root.parents]
    return next((path / "netfault" for path in above if (path / "netfault").is_file()), None)


def _enter(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, CLONE_NEWNET) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"cannot enter a network namespace: {os.strerror(error)}")


def _end_leftovers(tool: Path) -> None:
    """Takes down what runs left that were killed."""
    for path in CONTROL.glob(f"{SESSION}[0-9]*/"):
        if not Path("/proc", path.name.removeprefix(SESSION)).exists():
            _down(tool, path.name)


def _down(tool: Path, session: str) -> None:
    _run([sys.executable, str(tool), "--session", session, "down"])
    (CONTROL / f"{session}.lock").unlink(missing_ok=True)


def _run(command: list[str]) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=TOOL_SECONDS)
    if done.returncode != 0:
        raise subprocess.SubprocessError(f"{' '.join(command)} failed: {done.stderr.strip()}")
