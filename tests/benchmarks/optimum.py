"""The lap time that benchmarks compare laps with."""

import functools

from worker_service.simulators.racetrack import Vehicle
from worker_service.simulators.racetrack.catalogue import find_track
from worker_service.simulators.racetrack.circuits import DEFAULT_CIRCUIT
from worker_service.simulators.racetrack.racing_line import reference_lap_seconds


@functools.cache
def optimum_seconds() -> float:
    """That of the default circuit and car."""
    return reference_lap_seconds(find_track(DEFAULT_CIRCUIT), Vehicle())
