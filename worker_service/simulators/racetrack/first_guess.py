"""Where the search for a fastest lap begins: the speed profile of the minimum-curvature line."""

from math import pi

import numpy as np
from numpy.typing import NDArray

from worker_service.simulators.racetrack.racing_line import racing_profile
from worker_service.simulators.racetrack.track import Track
from worker_service.simulators.racetrack.vehicle import Vehicle

Floats = NDArray[np.float64]

# The search is for an interior point: a guess on the very limits is a poor one.
MARGIN_METRES = 0.3
GRIP_SHARE = 0.9


def first_guess(track: Track, vehicle: Vehicle, arc_metres: Floats) -> Floats:
    """The lap of a point mass along the minimum-curvature line, at arc lengths [M] of the centre line.

    Returns:
        float64 [5, M]: offset [m], heading relative to the centre line [rad], speed [m/s],
        acceleration [m/s^2], curvature [1/m].
    """
    line, profile = racing_profile(track, vehicle, MARGIN_METRES, GRIP_SHARE)
    # The line's points lie beside evenly spaced stations of the centre line.
    stride = round(len(track.centre_line) / len(line.points))
    offset = ((line.points - track.centre_line[::stride]) * track.normal[::stride]).sum(axis=1)
    turn = (line.heading - track.heading[::stride] + pi) % (2.0 * pi) - pi
    rows = np.stack([offset, turn, profile.speed, profile.acceleration, line.curvature])
    rows = np.hstack([rows, rows[:, :1]])
    at = np.linspace(0.0, track.length_metres, rows.shape[1])
    return np.stack([np.interp(arc_metres, at, row) for row in rows])
