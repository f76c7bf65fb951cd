"""Prometheus' own tool for configurations and rules."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs it; skips the test where it is not installed."""
    program = os.environ.get("PROMTOOL") or shutil.which("promtool")
    if program is None:
        pytest.skip(
            "promtool is missing, so alerts are NOT tested: install Debian's package prometheus or set PROMTOOL"
        )
    return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=60)
