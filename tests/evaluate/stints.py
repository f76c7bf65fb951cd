"""Stints as an evaluation would have driven them."""

import numpy as np

from deploy.evaluate.course import Course
from deploy.evaluate.laps import FlyingLap, Stint


def lap(number: int, seconds: float) -> FlyingLap:
    """A lap of 100 m along the x axis at a steady speed."""
    distance = np.array([0.0, 50.0, 100.0])
    return FlyingLap(
        number=number,
        time_seconds=seconds,
        sector_times_seconds=(seconds / 3, seconds / 3, seconds / 3),
        course=Course(
            distance_metres=distance,
            elapsed_seconds=distance * seconds / 100.0,
            points=np.stack([distance, np.zeros(3)], axis=1),
            speed_metres_per_second=np.full(3, 100.0 / seconds),
        ),
    )


def stint(*seconds: float, ending: str = "all_laps") -> Stint:
    """A stint with laps of these times; any other ending adds a lap that is lost."""
    laps = tuple(lap(number, time) for number, time in enumerate(seconds, 1))
    begun = len(laps) + (ending != "all_laps")
    return Stint(seed=0, start_metres=10.0, laps=laps, laps_begun=begun, ending=ending)


def lost_start() -> Stint:
    """A stint that never reached the line."""
    return Stint(seed=1, start_metres=20.0, laps=(), laps_begun=0, ending="off_track")
