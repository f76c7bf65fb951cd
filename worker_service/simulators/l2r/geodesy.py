"""Degrees on the WGS84 ellipsoid as metres about a reference point, and back."""

from math import atan2, cos, degrees, hypot, radians, sin, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SEMI_MAJOR_METRES: Final = 6_378_137.0
ECCENTRICITY_SQUARED: Final = 6.694_379_990_14e-3
LATITUDE_ITERATIONS: Final = 6
"""Each gains two digits and more near the ground; six leave less than a micrometre."""


class ReferencePoint:
    """The origin of a map: East, North, Up through ECEF (NIMA TR8350.2, 3rd ed., 2000, ch. 4).

    Args:
        latitude, longitude: degrees.
        altitude: metres above the ellipsoid.
    """

    def __init__(self, latitude: float, longitude: float, altitude: float = 0.0) -> None:
        self._origin = _ecef(longitude, latitude, altitude)
        lon, lat = radians(longitude), radians(latitude)
        self._axes = np.array(
            [
                [-sin(lon), cos(lon), 0.0],
                [-sin(lat) * cos(lon), -sin(lat) * sin(lon), cos(lat)],
                [cos(lat) * cos(lon), cos(lat) * sin(lon), sin(lat)],
            ]
        )

    def enu(self, longitude: float, latitude: float, altitude: float) -> Floats:
        """East, North, Up [3] in metres of a place in degrees and metres."""
        return np.asarray(self._axes @ (_ecef(longitude, latitude, altitude) - self._origin))

    def geodetic(self, enu: Floats) -> tuple[float, float, float]:
        """Longitude and latitude in degrees, altitude in metres, of East, North, Up [3]."""
        x, y, z = (self._origin + self._axes.T @ enu).tolist()
        across = hypot(x, y)
        latitude = atan2(z, across * (1.0 - ECCENTRICITY_SQUARED))
        altitude = 0.0
        for _ in range(LATITUDE_ITERATIONS):
            normal = SEMI_MAJOR_METRES / sqrt(1.0 - ECCENTRICITY_SQUARED * sin(latitude) ** 2)
            altitude = across / cos(latitude) - normal
            latitude = atan2(z, across * (1.0 - ECCENTRICITY_SQUARED * normal / (normal + altitude)))
        return degrees(atan2(y, x)), degrees(latitude), altitude


def _ecef(longitude: float, latitude: float, altitude: float) -> Floats:
    """Earth-centred, Earth-fixed metres [3]."""
    lon, lat = radians(longitude), radians(latitude)
    normal = SEMI_MAJOR_METRES / sqrt(1.0 - ECCENTRICITY_SQUARED * sin(lat) ** 2)
    return np.array(
        [
            (normal + altitude) * cos(lat) * cos(lon),
            (normal + altitude) * cos(lat) * sin(lon),
            (normal * (1.0 - ECCENTRICITY_SQUARED) + altitude) * sin(lat),
        ]
    )
