"""Tracks as files of comma-separated values: `x_m,y_m,w_tr_right_m,w_tr_left_m`.

One row a point of the closed centre line, in driving order, all in metres: position, then the
distances to the right and to the left edge. Lines that begin with `#` and empty lines are
comments. The last point may repeat the first. It is the format of the racetrack database of the
TUM's Institute of Automotive Technology.
"""

from pathlib import Path

import numpy as np

from worker_service.simulators.racetrack.track import Track

HEADER = "# x_m,y_m,w_tr_right_m,w_tr_left_m"
MIN_POINTS = 10
# The widest gap between two points, as a multiple of the usual one, that still counts as closed.
CLOSING_GAPS = 5.0


def read_track(path: Path) -> Track:
    """Read a track; its name is the file's, without folders and `.csv`.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not a valid track; the message names the file and the line.
    """
    rows: list[list[float]] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            rows.append(_row(line, f"{path}, line {number}"))
    if len(rows) > 1 and rows[0][:2] == rows[-1][:2]:
        rows.pop()
    if len(rows) < MIN_POINTS:
        raise ValueError(f"{path} has {len(rows)} points; a track needs at least {MIN_POINTS}, a few metres apart")
    table = np.array(rows)
    gaps = np.hypot(*(np.roll(table, -1, axis=0) - table)[:, :2].T)
    usual = float(np.median(gaps))
    if gaps[-1] > CLOSING_GAPS * usual:
        raise ValueError(
            f"{path} is not closed: the last point is {gaps[-1]:.1f} m from the first and points "
            f"are {usual:.1f} m apart; add the missing points"
        )
    return Track.from_points(path.stem, table[:, :2], table[:, 3], table[:, 2])


def write_track(track: Track, path: Path) -> None:
    """Write a track so that `read_track` gives the same stations to a tenth of a millimetre.

    Raises:
        OSError: the file cannot be written.
    """
    table = np.column_stack([track.centre_line, track.right_width, track.left_width])
    lines = (",".join(f"{value:.4f}" for value in row) for row in table)
    path.write_text("\n".join([HEADER, *lines, ""]), encoding="utf-8")


def _row(line: str, where: str) -> list[float]:
    cells = line.split(",")
    if len(cells) != 4:
        raise ValueError(f"{where} has {len(cells)} columns; it must have 4: x_m,y_m,w_tr_right_m,w_tr_left_m")
    try:
        row = [float(cell) for cell in cells]
    except ValueError:
        raise ValueError(f"{where} is {line!r}; all four columns must be numbers") from None
    if not np.isfinite(row).all():
        raise ValueError(f"{where} is {line!r}; all four columns must be finite numbers")
    if min(row[2:]) <= 0.0:
        raise ValueError(f"{where} has a width of {min(row[2:]):g} m; both widths must be positive")
    return row
