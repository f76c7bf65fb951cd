"""dm-reverb in a virtual environment of its own: it needs a TensorFlow that goes with nothing else here."""

import json
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any, Final

DIRECTORY: Final = Path(__file__).parents[2] / "build" / "reverb"
REQUIREMENTS: Final = ("dm-reverb[tensorflow]==0.14.0", "setuptools<81")
"""It imports pkg_resources, which later setuptools have no more."""
INSTALL_SECONDS: Final = 600.0
RUN_SECONDS: Final = 120.0
PROGRAM: Final = Path(__file__).with_name("reverb_items.py")


class ReverbMissingError(RuntimeError):
    """It does not install or run here."""


def installed() -> bool:
    """Whether the environment is there, whole."""
    return (DIRECTORY / "complete").exists()


def install() -> None:
    """Makes the environment, unless it is there.

    Raises:
        ReverbMissingError: pip failed; its last words are in the message.
    """
    if installed():
        return
    venv.create(DIRECTORY, with_pip=True, clear=True)
    _run([str(DIRECTORY / "bin/python"), "-m", "pip", "install", "--quiet", *REQUIREMENTS], INSTALL_SECONDS)
    (DIRECTORY / "complete").touch()


def items(seconds: float, clients: int) -> dict[str, Any]:
    """The row of `reverb_items`.

    Raises:
        ReverbMissingError: it failed.
    """
    # -P: the modules beside the program are not its own.
    command = [str(DIRECTORY / "bin/python"), "-P", str(PROGRAM), "--seconds", str(seconds), "--clients", str(clients)]
    row: dict[str, Any] = json.loads(_run(command, RUN_SECONDS).splitlines()[-1])
    return row


def _run(command: list[str], seconds: float) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ReverbMissingError(f"{' '.join(command[:5])}: {error}") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["without a word"])[-1]
        raise ReverbMissingError(f"{' '.join(command[:5])} ended with {done.returncode}: {last[:200]}")
    return done.stdout


if __name__ == "__main__":
    try:
        install()
    except ReverbMissingError as error:
        sys.exit(f"reverb_environment: {error}")
