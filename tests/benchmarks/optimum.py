"""The lap time that benchmarks compare laps with."""

import functools

from worker_service.simulators.racetrack import Vehicle
from worker_service.simulators.racetrack.catalogue import find_track
from worker_service.simulators.racetrack.circuits import DEFAULT_CIRCUIT
from worker_service.simulators.racetrack.optimum import find_optimum


@functools.cache
def optimum_seconds() -> float:
    """The flying optimum of the default circuit and car.

    An evaluation's fastest lap is compared with it whether it began flying or standing, so that a lap from rest is
    never counted better than it is.
    """
    optimum = find_optimum(find_track(DEFAULT_CIRCUIT), Vehicle())
    assert optimum is not None, "that of the default circuit is shipped"
    return optimum.flying_lap_seconds
