"""TORCS as a program of its own, with the robot that speaks the SCR protocol: a new process a race."""

import os
import shutil
from pathlib import Path
from typing import Final

from worker_service.orphans import make_folder
from worker_service.simulator_process import SimulatorProcess, SimulatorProcessError
from worker_service.simulators.scr.race_files import check_car, find_category, write_race, write_settings

INSTALLATION_VARIABLE: Final = "DISTRIB_L2R_TORCS"
"""Names the folder that `make torcs` made; build/torcs of the checkout if not given."""
START_SECONDS: Final = 30.0
FUEL_LITRES: Final = 20.0
"""For about 15 laps; a full tank is heavy."""
PATIENCE_SECONDS: Final = 3600.0
"""It ends after so long without its client's answer: a client may wait for others, and a dead one takes it along."""


class Torcs:
    """One TORCS, in a folder of its own, started anew for each race.

    Args:
        track: the name of one of its tracks.
        car: the name of one of its cars.

    Raises:
        ValueError: it has no such track or car.
        FileNotFoundError: it is not installed.
    """

    def __init__(self, track: str, car: str) -> None:
        data = (installation() / "data").resolve()
        libraries = installation() / "libraries"
        self._track = track
        self._category = find_category(data, track)
        check_car(data, car)
        self._folder = make_folder()
        self._race = self._folder / "race.xml"
        self._ready = self._folder / "port"
        write_settings(self._folder, data, car)
        # Its own libraries lie beside its program, which is started without the script around it.
        program = (libraries / "lib").resolve().parent / "torcs-bin"
        self._process = SimulatorProcess(
            "torcs",
            [str(program), "-l", str(self._folder), "-L", str(libraries), "-D", str(data), "-r", str(self._race)],
            folder=self._folder,
            ready=self._ready.exists,
            environ={
                "LD_LIBRARY_PATH": str((libraries / "lib").resolve()),
                "SCR_PORT": "0",
                "SCR_READY_FILE": str(self._ready),
                "SCR_ANSWER_SECONDS": f"{PATIENCE_SECONDS:g}",
                "SCR_FUEL_LITRES": f"{FUEL_LITRES:g}",
            },
            working_directory=data,
            ready_seconds=START_SECONDS,
        )

    def start(self, to_start_metres: float) -> int:
        """Starts a race, in place of the one before; returns the port of its server on 127.0.0.1.

        Args:
            to_start_metres: from where the car stands to the start line, less than a lap.

        Raises:
            SimulatorProcessError: it did not start.
            OSError: a file cannot be written.
        """
        self._process.stop()
        self._ready.unlink(missing_ok=True)
        write_race(self._race, track=self._track, category=self._category, to_start_metres=to_start_metres)
        self._process.start()
        return int(self._ready.read_text())

    def failure(self, what: str) -> SimulatorProcessError:
        """Ends it and keeps its log; the error to raise, one sentence."""
        return self._process.failure(what)

    def close(self) -> None:
        """Ends it and removes its folder.

        Raises:
            SimulatorProcessError: it does not even end by SIGKILL.
        """
        self._process.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


def check_track(track: str) -> None:
    """Checks that TORCS can be started here on this track.

    Raises:
        ValueError: it has no such track.
        FileNotFoundError: it is not installed.
    """
    find_category(installation() / "data", track)


def installation() -> Path:
    """The folder that `make torcs` made.

    Raises:
        FileNotFoundError: something is missing there.
    """
    named = os.environ.get(INSTALLATION_VARIABLE)
    folder = Path(named) if named else Path(__file__).parents[3] / "build" / "torcs"
    for part in ("libraries/drivers/scr/scr.so", "libraries/lib/libraceengine.so", "data/tracks"):
        if not (folder / part).exists():
            raise FileNotFoundError(
                f"TORCS with its robot is not at {folder}, {part} is missing: run make torcs, let "
                f"{INSTALLATION_VARIABLE} name the folder it made, or name a server by host and port"
            )
    return folder
