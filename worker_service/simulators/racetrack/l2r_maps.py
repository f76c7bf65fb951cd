"""Learn-to-Race's circuits, read from the published package `l2r` where that is installed.

The maps stay in their package: nothing of it is copied or imported, its files are data here. A
map is a JSON object with the closed lines "Centre", "Inside" and "Outside", lists of [East, North]
or [East, North, Up] in metres about half a metre apart, in driving order, clockwise. (Learn-to-Race:
Herman et al., 2021, https://arxiv.org/abs/2103.11575)
"""

import json
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from worker_service.simulators.racetrack.track import Track, resample

Floats = NDArray[np.float64]

L2R_PREFIX: Final = "l2r:"
L2R_MAPS: Final = {
    "anglesey": "l2r/track/anglesey/AngleseyFromGoogle.json",
    "thruxton": "l2r/track/thruxton/ThruxtonFromGoogle_2.json",
    "thruxton-official": "l2r/track/thruxton/ThruxtonOfficial.json",
}
"""The package's files by circuit. "thruxton" is the one that Learn-to-Race itself drives on."""
REMEDY: Final = "pip install --no-deps l2r==0.0.2"

FINE_METRES = 0.5
# Standard deviation of the smoothing window. The measured lines bend up to 0.1/m with a jitter of
# 0.02/m from metre to metre; this is the least that leaves no jump above 0.01/m, the bar of the
# shipped circuits.
SMOOTHING_METRES = 4.0
MIN_POINTS = 10
# An edge farther away than this is another stretch's.
MAX_WIDTH_METRES = 25.0
# Edges are sought beside so many points of the centre line at a time.
STRETCH_POINTS = 25


@cache
def l2r_track(circuit: str) -> Track:
    """Build a circuit of Learn-to-Race.

    Args:
        circuit: a key of `L2R_MAPS`.

    Raises:
        ValueError: there is no such circuit, the package is not installed, or its file is no map.
        OSError: the file cannot be read.
    """
    return read_l2r_map(l2r_map_path(circuit), L2R_PREFIX + circuit)


def l2r_map_path(circuit: str) -> Path:
    """The file of a circuit.

    Args:
        circuit: a key of `L2R_MAPS`.

    Raises:
        ValueError: there is no such circuit, or the package is not installed.
    """
    name = L2R_PREFIX + circuit
    if circuit not in L2R_MAPS:
        raise ValueError(f"track {name!r} is unknown; after l2r: it must be one of {', '.join(L2R_MAPS)}")
    try:
        path = Path(str(distribution("l2r").locate_file(L2R_MAPS[circuit])))
    except PackageNotFoundError:
        raise ValueError(
            f"track {name!r} is a map of Learn-to-Race's package l2r, which is not installed: {REMEDY}"
        ) from None
    if not path.is_file():
        raise ValueError(f"track {name!r} is a map of l2r 0.0.2, but there is no file {path}: {REMEDY}")
    return path


def read_l2r_map(path: Path, name: str) -> Track:
    """Read a map file.

    The centre line is smoothed (see `smooth`): that of Thruxton moves by up to 0.12 m, Anglesey's
    by 0.11 m. The edges stay where they were measured: the widths are the distances from the
    smoothed line to the inside and outside lines, across the road.

    Args:
        path: of the file.
        name: of the track.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not such a map, or not a valid track.
    """
    content = read_l2r_json(path)
    centre, inside, outside = (closed_line(content, key, path) for key in ("Centre", "Inside", "Outside"))
    following = np.roll(centre, -1, axis=0)
    if (centre[:, 0] * following[:, 1] - centre[:, 1] * following[:, 0]).sum() > 0.0:
        raise ValueError(f"{path} runs anticlockwise; Learn-to-Race's circuits run clockwise: reverse its lines")
    line = smooth(_fine(centre), SMOOTHING_METRES)
    # Clockwise, the inside is to the right.
    left, right = _width(line, outside, 1.0), _width(line, inside, -1.0)
    for key, width in (("Outside", left), ("Inside", right)):
        if not width.max() <= MAX_WIDTH_METRES:
            at = line[int(width.argmax())]
            raise ValueError(
                f"{path} has no point of {key!r} across the road from ({at[0]:.1f}, {at[1]:.1f}) within "
                f"{MAX_WIDTH_METRES:.0f} m; each edge must follow the centre line, Outside on its left"
            )
    return Track.from_points(name, line, left, right)


def read_l2r_json(path: Path) -> Any:
    """The content of a map file.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON ({error}); a map is a JSON object: {REMEDY}") from error


def smooth(line: Floats, deviation_metres: float) -> Floats:
    """Take the jitter out of a closed line and keep its bends.

    A Gaussian window, then once more over what it took away, which is added again ("twicing",
    Tukey, Exploratory Data Analysis, 1977): a bend is flattened in the fourth order of the
    window's width instead of the second.

    Args:
        line: float64 [N, 2], metres, evenly spaced.
        deviation_metres: standard deviation of the window.

    Returns:
        float64 [N, 2].
    """
    spacing = float(np.hypot(*(np.roll(line, -1, axis=0) - line).T).mean())
    radians_per_metre = 2.0 * np.pi * np.fft.rfftfreq(len(line), spacing)
    kept = np.exp(-0.5 * (radians_per_metre * deviation_metres) ** 2)
    twice = 1.0 - (1.0 - kept) ** 2
    return np.asarray(np.fft.irfft(np.fft.rfft(line, axis=0) * twice[:, None], len(line), axis=0))


def closed_line(content: Any, key: str, path: Path) -> Floats:
    """The line `key` of a map: float64 [M, 2], no point twice in a row.

    Raises:
        ValueError: there is no such line, or it is none.
    """
    try:
        line = np.asarray(content[key], np.float64)
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"{path} has no line {key!r} of [East, North] in metres; is it a map of l2r 0.0.2?") from None
    if line.ndim != 2 or line.shape[0] < MIN_POINTS or line.shape[1] not in (2, 3):
        raise ValueError(f"{path} has {key!r} of shape {line.shape}; it must be [M, 2] or [M, 3], M at least 10")
    line = line[:, :2]
    if not np.isfinite(line).all():
        raise ValueError(f"{path} has a coordinate of {key!r} that is not finite; every one must be a number")
    return np.asarray(line[(line != np.roll(line, 1, axis=0)).any(axis=1)])


def _fine(line: Floats) -> Floats:
    """Evenly spaced, about `FINE_METRES` apart."""
    length = float(np.hypot(*(np.roll(line, -1, axis=0) - line).T).sum())
    count = max(MIN_POINTS, round(length / FINE_METRES))
    return resample(resample(line, count), count)


def _width(line: Floats, edge: Floats, side: float) -> Floats:
    """Distance from each point of a line to an edge, across the line.

    Args:
        line: float64 [N, 2], metres, closed.
        edge: float64 [M, 2], metres, closed.
        side: 1 for an edge to the left, -1 to the right.

    Returns:
        float64 [N], metres; infinite where the edge is not met.
    """
    tangent = np.roll(line, -1, axis=0) - np.roll(line, 1, axis=0)
    tangent /= np.hypot(*tangent.T)[:, None]
    following = np.roll(edge, -1, axis=0)
    width = np.full(len(line), np.inf)
    for first in range(0, len(line), STRETCH_POINTS):
        stretch = line[first : first + STRETCH_POINTS]
        reach = MAX_WIDTH_METRES + np.hypot(*(stretch - stretch[0]).T).max()
        near = np.flatnonzero(np.hypot(*(edge - stretch[0]).T) < reach)
        for i, point in enumerate(stretch, start=first):
            x, y = tangent[i]
            begin, end = edge[near] - point, following[near] - point
            before, after = begin @ (x, y), end @ (x, y)
            # The edge's pieces that reach from one side of the normal to the other.
            met = np.flatnonzero((before < 0.0) != (after < 0.0))
            share = before[met] / (before[met] - after[met])
            met_at = begin[met] + share[:, None] * (end[met] - begin[met])
            distance = side * (met_at @ (-y, x))
            width[i] = distance[distance > 0.0].min(initial=np.inf)
    return width
