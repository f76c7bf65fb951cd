"""The testbed: tools that start a Docker engine and a Kubernetes on one machine. Without it tests are skipped."""

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.testbed.commands import run

ROOT = Path(__file__).parents[2]
BASE = "python:3.11-slim-bookworm"
IMAGES = ("distributed-l2r/learner:dev", "distributed-l2r/worker:dev")


def tool(name: str) -> str:
    """The tool of this name in TESTBED; skips the test, saying why, where there is none."""
    # Only where it was asked for: the tools install packages and start services.
    named = os.environ.get("TESTBED", "")
    folder = Path(named)
    if not (folder / name).is_file():
        pytest.skip(f"NOT TESTED: TESTBED is {named!r}; it must name the folder of the tools engine and cluster")
    if os.geteuid() != 0:
        pytest.skip(f"NOT TESTED: {folder / name} needs root")
    return str((folder / name).resolve())


@contextmanager
def started(name: str) -> Iterator[None]:
    """The engine or the cluster, up while inside and as it was before afterwards."""
    program = tool(name)
    first_process = run(program, "status", check=False).split("\n")[0].split()
    ran = bool(first_process) and first_process[-1] != "-"
    exports = [line.removeprefix("export ").partition("=") for line in _up(program).splitlines()]
    with pytest.MonkeyPatch.context() as patch:
        for variable, _, value in exports:
            patch.setenv(variable, shlex.split(value)[0])
        try:
            yield
        finally:
            if not ran:
                run(program, "down")


def _up(program: str) -> str:
    # A part that ends while starting takes the others down; a second call clears the remains first.
    try:
        return run(program, "up")
    except AssertionError as error:
        print(f"once more: {error}")
        return run(program, "up")


def build_images() -> None:
    """As people do: `make images`, on the testbed's base."""
    if not run("docker", "image", "ls", "--quiet", BASE).strip():
        run(tool("engine"), "base-image")
    run("make", "-C", str(ROOT), "images")
