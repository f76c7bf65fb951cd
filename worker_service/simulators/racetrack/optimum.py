"""The fastest lap a car can drive on a track, where somebody has computed it.

`solve` computes one by optimal control, which needs CasADi; reading one needs nothing. An optimum
belongs to a track and a car: it is found by a fingerprint of both, so that a changed circuit or
another car is never compared with a stale one. Shipped optima lie beside this file in `optima`,
others in the user's cache folder.
"""

import hashlib
import os
from dataclasses import astuple, dataclass, fields
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worker_service.simulators.racetrack.track import Track
from worker_service.simulators.racetrack.vehicle import Vehicle

Floats = NDArray[np.float64]

SHIPPED = Path(__file__).parent / "optima"
CACHE_VARIABLE = "DISTRIB_L2R_OPTIMA"
# Millimetres, and six digits of a parameter: coarser than rounding, finer than what matters.
FINGERPRINT_METRES = 1e-3
FINGERPRINT_DIGITS = 6


@dataclass(frozen=True, eq=False)
class OptimalLine:
    """A flying lap at even arc lengths of the centre line, from the start line: float64 [N] each."""

    arc_metres: Floats
    offset_metres: Floats
    """From the centre line, to the left."""
    heading_error_radians: Floats
    forward_metres_per_second: Floats
    sideways_metres_per_second: Floats
    yaw_rate_radians_per_second: Floats
    steer_radians: Floats
    command: Floats
    """Throttle, up to 1, or braking, down to -1."""
    time_seconds: Floats
    """Since the start line."""
    x_metres: Floats
    y_metres: Floats


@dataclass(frozen=True, eq=False)
class Optimum:
    """The least lap times of a car on a track.

    Args:
        flying_lap_seconds: of a lap that ends as it begins.
        standing_lap_seconds: of a first lap from rest on the start line.
        bound_lap_seconds: of a point mass with all the car's grip, power and brakes, flying: a
            bound from below.
        spacing_metres: length of the intervals that it was computed with.
        line: the flying lap.
    """

    flying_lap_seconds: float
    standing_lap_seconds: float
    bound_lap_seconds: float
    spacing_metres: float
    line: OptimalLine

    def lap_seconds(self, *, standing_start: bool) -> float:
        """What a lap compares with."""
        return self.standing_lap_seconds if standing_start else self.flying_lap_seconds


def fingerprint(track: Track, vehicle: Vehicle) -> str:
    """The SHA-256 of a track's shape and a car's parameters: 64 hexadecimal digits."""
    table = np.column_stack([track.centre_line, track.left_width, track.right_width])
    digest = hashlib.sha256(np.rint(table / FINGERPRINT_METRES).astype("<i8").tobytes())
    for field, value in zip(fields(vehicle), astuple(vehicle), strict=True):
        digest.update(f"{field.name}={value:.{FINGERPRINT_DIGITS}g};".encode())
    return digest.hexdigest()


def cache_folder() -> Path:
    """Where optima of other tracks are kept: DISTRIB_L2R_OPTIMA, or ~/.cache/distrib-l2r/optima."""
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named) if named else Path.home() / ".cache" / "distrib-l2r" / "optima"


def find_optimum(track: Track, vehicle: Vehicle) -> Optimum | None:
    """The optimum of a track and a car, or None where none is known.

    Raises:
        ValueError: a file is not a valid optimum; the message names it.
        OSError: a file cannot be read.
    """
    known = _fingerprint(track, vehicle)
    path = _shipped().get(known)
    if path is None:
        path = cached_file(known)
        if not path.is_file():
            return None
    return _read(path)


def cached_file(known: str) -> Path:
    """The file of the user's cache folder for a fingerprint."""
    return cache_folder() / f"{known[:32]}.csv"


def write_optimum(optimum: Optimum, track: Track, vehicle: Vehicle, path: Path) -> None:
    """Write an optimum as comma-separated values, whole or not at all.

    Raises:
        OSError: the file cannot be written.
    """
    names = [field.name for field in fields(OptimalLine)]
    rows = np.column_stack(astuple(optimum.line))
    lines = [
        f"# the fastest lap of {track.name}, by worker_service.simulators.racetrack.solve",
        f"# fingerprint={fingerprint(track, vehicle)}",
        *(f"# {name}={getattr(optimum, name):.4f}" for name in _TIMES),
        ",".join(names),
        *(",".join(f"{value:.5f}" for value in row) for row in rows),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    new.write_text("\n".join([*lines, ""]), encoding="utf-8")
    new.replace(path)
    _read.cache_clear()
    _shipped.cache_clear()


_TIMES = ("flying_lap_seconds", "standing_lap_seconds", "bound_lap_seconds", "spacing_metres")


@lru_cache(maxsize=64)
def _fingerprint(track: Track, vehicle: Vehicle) -> str:
    return fingerprint(track, vehicle)


@lru_cache(maxsize=1)
def _shipped() -> dict[str, Path]:
    return {_header(path.read_text(encoding="utf-8"), path)["fingerprint"]: path for path in SHIPPED.glob("*.csv")}


@lru_cache(maxsize=64)
def _read(path: Path) -> Optimum:
    text = path.read_text(encoding="utf-8")
    header = _header(text, path)
    names, *rows = (line for line in text.splitlines() if not line.startswith("#"))
    try:
        table = np.array([[float(cell) for cell in row.split(",")] for row in rows])
        columns = dict(zip(names.split(","), np.ascontiguousarray(table.T), strict=True))
        for column in columns.values():
            column.setflags(write=False)
        return Optimum(**{name: float(header[name]) for name in _TIMES}, line=OptimalLine(**columns))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not an optimum ({error}); remove it, or make it again with solve") from None


def _header(text: str, path: Path) -> dict[str, str]:
    comments = (line[1:].strip() for line in text.splitlines() if line.startswith("#"))
    header = dict(line.split("=", 1) for line in comments if "=" in line)
    if "fingerprint" not in header:
        raise ValueError(f"{path} has no line '# fingerprint=...'; remove it, or make it again with solve")
    return header
