"""An emulator that an environment starts for itself, and that never outlives it."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from worker_service.simulators.l2r.errors import SimulatorUnreachableError
from worker_service.simulators.l2r.protocol import Ports

LOOPBACK: Final = "127.0.0.1"
START_SECONDS: Final = 120.0
"""Compiling the car for the first time on a machine takes most of it."""
STOP_SECONDS: Final = 3.0
LOOK_SECONDS: Final = 0.02
LOG_TAIL_CHARACTERS: Final = 1000


class OwnEmulator:
    """A process of `worker_service.simulators.l2r.emulator` with ports of its own.

    Args:
        track: of its level.
        pose_port: where it sends the poses.
        speed: simulated seconds a second; None for lock-step.
        conventions: see `Conventions.parse`.

    Raises:
        SimulatorUnreachableError: it did not come up; the message has the end of its log.
        OSError: it cannot be started.
    """

    def __init__(self, track: str, *, pose_port: int, speed: float | None, conventions: str) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="l2r-emulator-"))
        self.log = self._folder / "emulator.log"
        addresses = self._folder / "ports.json"
        pace = ["--lock-step"] if speed is None else ["--speed", str(speed)]
        command = [sys.executable, "-m", "worker_service.simulators.l2r.emulator", "--track", track, *pace]
        command += ["--port-base", "0", "--pose-port", str(pose_port), "--address-file", str(addresses)]
        command += ["--parent", str(os.getpid()), "--conventions", conventions, "--log-level", "WARNING"]
        with self.log.open("wb") as stream:
            self._process = subprocess.Popen(  # noqa: S603
                command, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT, process_group=0
            )
        try:
            self._await(addresses)
            self.ports = Ports.from_json(json.loads(addresses.read_text()))
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def stop(self) -> None:
        """Ends it; its log goes with it."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _await(self, addresses: Path) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not addresses.exists():
            status = self._process.poll()
            if status is not None or time.monotonic() > deadline:
                how = f"serves nothing after {START_SECONDS:g} s" if status is None else f"ended with status {status}"
                tail = self.log.read_text(errors="replace")[-LOG_TAIL_CHARACTERS:].strip()
                raise SimulatorUnreachableError(f"the emulator {how}; its log ends: {tail}")
            time.sleep(LOOK_SECONDS)
