"""Emulators for tests, as processes of their own."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bare_client import eventually
from worker_service.simulators.l2r.protocol import Ports

ROOT = Path(__file__).parents[2]
START_SECONDS = 120.0


@contextmanager
def emulator(folder: Path, pose_port: int, *flags: str) -> Iterator[tuple[Ports, Path]]:
    """An emulator that serves; yields its ports, and the file that holds them."""
    addresses = folder / "ports.json"
    command = [sys.executable, "-m", "worker_service.simulators.l2r.emulator", "--port-base", "0", *flags]
    command += ["--pose-port", str(pose_port), "--address-file", str(addresses)]
    log = folder / "emulator.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(command, cwd=ROOT, stdout=stream, stderr=subprocess.STDOUT)
        try:
            eventually(lambda: addresses.exists() or process.poll() is not None, "emulator serves", START_SECONDS)
            assert process.poll() is None, log.read_text()
            yield Ports.from_json(json.loads(addresses.read_text())), addresses
        finally:
            process.terminate()
            status = process.wait(10.0)
    assert status == 0, log.read_text()
