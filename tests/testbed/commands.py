"""Commands of the tests on a real engine and a real cluster: run to their end, with what they said where they fail."""

import os
import subprocess
import time
from collections.abc import Callable

COMMAND_SECONDS = 900.0


def run(*command: str, check: bool = True, input_text: str | None = None, **environ: str) -> str:
    """Runs a command; returns its standard output. With `check` it must succeed."""
    done = subprocess.run(
        command,
        env={**os.environ, **environ},
        input=input_text,
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )
    assert not check or done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def wait_for(what: str, condition: Callable[[], bool], seconds: float, period_seconds: float = 0.5) -> float:
    """Waits until the condition holds; returns the seconds it took, and fails with `what` after so many."""
    began = time.monotonic()
    while not condition():
        passed = time.monotonic() - began
        assert passed < seconds, f"not within {seconds:g} s: {what}"
        time.sleep(period_seconds)
    return time.monotonic() - began
