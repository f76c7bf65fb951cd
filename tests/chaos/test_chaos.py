"""A short chaos run, and the proof that it can fail. `make chaos` is the long form."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.fleet import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(280)]

RUN_SECONDS = 270.0


def chaos(*flags: str) -> tuple[int, dict[str, Any], str]:
    """Exit status, figures and everything said."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos", *flags],
        check=False,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=RUN_SECONDS,
    )
    return done.returncode, json.loads(done.stdout.splitlines()[-1]), done.stdout


def test_no_acknowledged_transition_is_lost_doubled_or_torn(tmp_path: Path) -> None:
    status, figures, said = chaos("--faults", "20", "--seed", "194", "--directory", str(tmp_path / "chaos"))
    assert status == 0, said
    assert figures["faults"] == 20
    assert figures["violations"] == 0
    assert figures["transitions_acknowledged"] == figures["transitions_found"] > 1000
    assert figures["starts"]["learner"] == 3, (
        "seed 194 kills the learner, once amid a checkpoint, and has every kind of fault"
    )
    assert not (tmp_path / "chaos" / "disk").is_mount()


@pytest.mark.parametrize("bug", ["drop", "double"])
def test_a_bug_in_the_real_learner_is_found(bug: str, tmp_path: Path) -> None:
    status, figures, said = chaos(
        *("--faults", "2", "--seed", "1", "--workers", "1", "--plant", bug, "--directory", str(tmp_path / "chaos"))
    )
    assert status == 1, said
    assert figures["violations"] > 0
    assert "VIOLATION: record" in said
