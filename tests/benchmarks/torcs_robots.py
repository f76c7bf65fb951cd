"""What TORCS's own robots do in the p406: the laps that learnt ones are compared with.

    python -m tests.benchmarks.torcs_robots g-track-1 e-track-6

Prints a JSON line a robot and track: the best of four laps from the grid.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from worker_service.simulators.scr.race_files import (
    DEFAULT_CAR,
    DEFAULT_TRACK,
    find_category,
    write_race,
    write_settings,
)
from worker_service.simulators.scr.torcs import installation

ROBOTS: Final = ("inferno", "lliaw", "tita")
INDEX: Final = 2
"""Of the driver with the p406, in each."""
LAPS: Final = 4
SECONDS: Final = 120.0


def best_lap_seconds(track: str, robot: str) -> float:
    """The best lap of a race of one robot.

    Raises:
        FileNotFoundError: TORCS is not installed.
        ValueError: it has no such track.
        subprocess.TimeoutExpired: the race did not end.
    """
    data = (installation() / "data").resolve()
    # Debian's own folder, which has all robots.
    libraries = (installation() / "libraries" / "lib").resolve().parent
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_settings(folder, data, DEFAULT_CAR)
        race = folder / "race.xml"
        write_race(race, track=track, category=find_category(data, track), laps=LAPS, robot=robot, index=INDEX)
        program = [str(libraries / "torcs-bin"), "-l", name, "-L", str(libraries), "-D", str(data), "-r", str(race)]
        environ = {**os.environ, "LD_LIBRARY_PATH": str(libraries / "lib")}
        subprocess.run(program, cwd=data, env=environ, check=True, capture_output=True, timeout=SECONDS)
        (results,) = (folder / "results" / "race").glob("*.xml")
        found = re.search(r'name="best lap time"[^>]*val="([^"]*)"', results.read_text())
        assert found is not None, "every race has one"
        return float(found[1])


def main() -> None:
    """Drives and prints."""
    for track in sys.argv[1:] or [DEFAULT_TRACK]:
        for robot in ROBOTS:
            row = {
                "track": track,
                "robot": robot,
                "car": DEFAULT_CAR,
                "best_lap_seconds": best_lap_seconds(track, robot),
            }
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
