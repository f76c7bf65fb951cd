"""A course: a circuit as Learn-to-Race counts progress on it, and as the simulator names and places it."""

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from worker_service.simulators.l2r.geodesy import ReferencePoint
from worker_service.simulators.racetrack.catalogue import find_track
from worker_service.simulators.racetrack.l2r_maps import (
    L2R_PREFIX,
    REMEDY,
    closed_line,
    l2r_map_path,
    l2r_track,
    read_l2r_json,
)
from worker_service.simulators.racetrack.track import Track, resample

Floats = NDArray[np.float64]

DEFAULT_COURSE: Final = "thruxton"
POINT_METRES: Final = 0.505
"""Between two points of a published centre line."""
FOREIGN_NUMBER: Final = -1


@dataclass(frozen=True, kw_only=True)
class Level:
    """One of the simulator's levels."""

    circuit: str
    """Its folder and file."""
    number: int
    """The track's, in an observation."""


LEVELS: Final = {
    "thruxton": Level(circuit="thruxton", number=1),
    "anglesey": Level(circuit="anglesey_national", number=2),
}
"""By the name of the map. The package has none of Las Vegas, whose number is 0."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Course:
    """A circuit.

    Attributes:
        name: as the environment's argument names it.
        level_name: as `open_level` takes it, a path.
        number: in an observation.
        track: for the car, and its view of the road.
        centre: float64 [M, 2], East and North in metres: the points whose index counts progress.
        reference: where East, North and Up are zero.
    """

    name: str
    level_name: str
    number: int
    track: Track
    centre: Floats
    reference: ReferencePoint

    @property
    def level(self) -> str:
        """As `get_level` answers."""
        return self.level_name.rpartition("/")[2].partition(".")[0]

    def nearest_index(self, east: float, north: float) -> int:
        """Index of the nearest point of `centre`."""
        away = self.centre - (east, north)
        return int((away * away).sum(axis=1).argmin())

    def index_change(self, before: int, after: int) -> int:
        """How many points further `after` lies, over the start line where that is the shorter way."""
        count = len(self.centre)
        return (after - before + count // 2) % count - count // 2


@cache
def find_course(name: str) -> Course:
    """Build the course that a name stands for.

    Args:
        name: thruxton or anglesey, of the published package; or any track of `Racetrack-v0`, which the emulator alone
            has, at a place of its own.

    Raises:
        ValueError: the name is none of these, the package is not installed, or the file is no map.
        OSError: a file cannot be read.
    """
    if name not in LEVELS:
        track = find_track(name)
        points = max(3, round(track.length_metres / POINT_METRES))
        return Course(
            name=name,
            level_name=level_name(name.rpartition("/")[2].removesuffix(".csv").replace(":", "-")),
            number=FOREIGN_NUMBER,
            track=track,
            centre=resample(track.centre_line, points),
            reference=ReferencePoint(51.0, -1.0),
        )
    path = l2r_map_path(name)
    content = read_l2r_json(path)
    try:
        latitude, longitude, altitude = map(float, content["ReferencePoint"])
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"{path} has no ReferencePoint of three numbers; is it a map of l2r 0.0.2? {REMEDY}") from None
    return Course(
        name=name,
        level_name=level_name(LEVELS[name].circuit),
        number=LEVELS[name].number,
        track=l2r_track(name),
        centre=closed_line(content, "Centre", path),
        reference=ReferencePoint(latitude, longitude, altitude),
    )


def course_name(name: str) -> str:
    """A name without the prefix of Learn-to-Race's maps."""
    return name.removeprefix(L2R_PREFIX)


def level_name(circuit: str) -> str:
    """As the simulator names the level of a circuit."""
    return f"../../../ArrivalSim/Content/Ribbon/{circuit}/{circuit}.umap"
