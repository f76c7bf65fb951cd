"""The shim does what the faults say, to a real process."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.chaos.shim import Shim, compile_shim

PROBE = """
import json, os, sys, threading, time
def seconds(call):
    start = time.monotonic()
    call()
    return time.monotonic() - start
inside = os.open(sys.argv[1] + "/disk/file", os.O_RDWR | os.O_CREAT)
outside = os.open(sys.argv[1] + "/file", os.O_RDWR | os.O_CREAT)
print(json.dumps({
    "clock": time.time(),
    "lock": seconds(lambda: threading.Event().wait(0.05)),
    "inside": [seconds(call) for call in (
        lambda: os.write(inside, b"1"),
        lambda: os.pwrite(inside, b"1", 0),
        lambda: os.pwritev(inside, [b"1"], 0),
        lambda: os.fsync(inside),
        lambda: os.fdatasync(inside),
        lambda: os.replace(sys.argv[1] + "/disk/file", sys.argv[1] + "/disk/other"),
    )],
    "outside": seconds(lambda: os.write(outside, b"1")),
}))
"""


@pytest.fixture
def shim(tmp_path: Path) -> Shim:
    library = compile_shim(tmp_path)
    if library is None:
        pytest.skip("there is no C compiler named cc")
    (tmp_path / "disk").mkdir()
    return Shim(library, tmp_path / "control", tmp_path / "disk")


def probe(shim: Shim, directory: Path) -> tuple[dict[str, object], float]:
    """What a process sees, and how far its clock is ahead of this one's, a moment ago."""
    moment = time.time()
    output = subprocess.check_output([sys.executable, "-c", PROBE, str(directory)], env=shim.variables, timeout=30)
    seen = json.loads(output)
    return seen, seen["clock"] - moment


def test_a_process_sees_its_own_clock_and_its_waits_last_as_long_as_ever(shim: Shim, tmp_path: Path) -> None:
    for offset in (0.0, 86_400.0, -86_400.0):
        shim.clock_offset_seconds = offset
        seen, ahead = probe(shim, tmp_path)
        assert offset - 1 < ahead < offset + 30
        assert 0.04 < float(str(seen["lock"])) < 5


def test_only_the_disk_below_the_folder_is_slow(shim: Shim, tmp_path: Path) -> None:
    shim.disk_delay_seconds = 0.2
    seen, _ = probe(shim, tmp_path)
    inside = seen["inside"]
    assert isinstance(inside, list)
    assert min(inside) >= 0.2
    assert float(str(seen["outside"])) < 0.2
