"""An emulator that an environment starts for itself."""

import json
import shutil
import sys
from pathlib import Path
from typing import Final

from worker_service.orphans import make_folder
from worker_service.simulator_process import SimulatorProcess, SimulatorProcessError
from worker_service.simulators.l2r.protocol import Ports

LOOPBACK: Final = "127.0.0.1"
READY_SECONDS: Final = 240.0
"""Compiling the car for the first time on a busy machine takes most of it; usually it is seconds."""


class OwnEmulator:
    """A process of `worker_service.simulators.l2r.emulator` with ports of its own, ended with this one.

    Args:
        track: of its level.
        pose_port: where it sends the poses.
        speed: simulated seconds a second; None for lock-step.
        conventions: see `Conventions.parse`.

    Raises:
        SimulatorProcessError: it did not come up.
        OSError: its folder cannot be made.
    """

    def __init__(self, track: str, *, pose_port: int, speed: float | None, conventions: str) -> None:
        self._folder = make_folder()
        addresses = self._folder / "ports.json"
        pace = ["--lock-step"] if speed is None else ["--speed", str(speed)]
        command = [sys.executable, "-m", "worker_service.simulators.l2r.emulator", "--track", track, *pace]
        command += ["--port-base", "0", "--pose-port", str(pose_port), "--address-file", str(addresses)]
        command += ["--conventions", conventions, "--log-level", "WARNING"]
        self._process = SimulatorProcess(
            "l2r-emulator",
            command,
            folder=self._folder,
            ready=addresses.exists,
            # Where this process has found its modules, if not among those installed.
            working_directory=Path.cwd(),
            ready_seconds=READY_SECONDS,
            attempts=2,
        )
        try:
            self._process.start()
            self.ports = Ports.from_json(json.loads(addresses.read_text()))
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self) -> int | None:
        """Its process id; None after `stop`."""
        return self._process.pid

    def failure(self, what: str) -> SimulatorProcessError:
        """Ends it and keeps its log; the error to raise, which says that it did `what`."""
        return self._process.failure(what)

    def stop(self) -> None:
        """Ends it, if it runs; it has nothing to save."""
        self._process.stop()
        shutil.rmtree(self._folder, ignore_errors=True)
