"""Courses made here, for tests that need no published map."""

from functools import cache
from pathlib import Path

from tests.racetrack.builders import circle_track
from worker_service.simulators.l2r.course import Course, level_name
from worker_service.simulators.l2r.geodesy import ReferencePoint
from worker_service.simulators.racetrack.track import resample
from worker_service.simulators.racetrack.track_csv import write_track

RADIUS_METRES = 60.0


@cache
def ring() -> Course:
    """A clockwise circle of 60 m radius, 10 m wide, whose points lie half a metre apart."""
    track = circle_track(radius_metres=RADIUS_METRES, clockwise=True)
    return Course(
        name="ring",
        level_name=level_name("ring"),
        number=1,
        track=track,
        centre=resample(track.centre_line, 750),
        reference=ReferencePoint(51.0, -1.0),
    )


def write_ring(folder: Path) -> str:
    """The ring as a file that the emulator reads; returns its path."""
    path = folder / "ring.csv"
    write_track(ring().track, path)
    return str(path)
