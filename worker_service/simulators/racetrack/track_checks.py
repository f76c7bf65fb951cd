"""What every track must satisfy."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from worker_service.simulators.racetrack.track import Track

MIN_LENGTH_METRES = 100.0
MAX_LENGTH_METRES = 30_000.0


def check_track(track: "Track") -> None:
    """Raise a ValueError that names the first rule the track breaks."""
    line = track.centre_line
    what = f"track {track.name!r}"
    if line.ndim != 2 or line.shape[1] != 2 or len(line) < 4:
        raise ValueError(f"{what} has a centre line of shape {line.shape}; it must be [N, 2] with N at least 4")
    for name, width in (("left_width", track.left_width), ("right_width", track.right_width)):
        if width.shape != (len(line),):
            raise ValueError(f"{what} has {name} of shape {width.shape}; it must be [{len(line)}], one a station")
        if not (np.isfinite(width).all() and (width > 0.0).all()):
            station = int(np.argmin(np.where(np.isfinite(width), width, -np.inf)))
            raise ValueError(
                f"{what} has {name} {width[station]} at station {station}; "
                "every width must be a positive number of metres"
            )
    if not np.isfinite(line).all():
        raise ValueError(f"{what} has a coordinate that is not finite; every one must be a number")
    length = track.length_metres
    if not MIN_LENGTH_METRES <= length <= MAX_LENGTH_METRES:
        raise ValueError(
            f"{what} is {length:.1f} m long; a track must have between {MIN_LENGTH_METRES:.0f} "
            f"and {MAX_LENGTH_METRES:.0f} m: are its units metres?"
        )
    steps = np.hypot(*np.diff(np.vstack([line, line[:1]]), axis=0).T)
    if steps.max() > 1.2 * steps.mean() or steps.min() < 0.8 * steps.mean():
        raise ValueError(
            f"{what} has stations {steps.min():.2f} to {steps.max():.2f} m apart; they must be "
            "evenly spaced: build the track with Track.from_points"
        )
    if not np.isclose(abs(track.turn_radians), 2.0 * np.pi, atol=1e-6):
        turns = abs(track.turn_radians) / (2.0 * np.pi)
        raise ValueError(
            f"{what} turns {turns:.2f} times in a lap; a closed track that does not cross itself turns exactly once"
        )
    inner = np.maximum(track.curvature * track.left_width, -track.curvature * track.right_width)
    if inner.max() >= 1.0:
        station = int(inner.argmax())
        raise ValueError(
            f"{what} bends with a radius of {1.0 / abs(track.curvature[station]):.1f} m at station "
            f"{station}, less than its width to the inside; widen the bend or narrow the track"
        )
    overlap = overlapping_stations(track)
    if overlap is not None:
        raise ValueError(
            f"{what} overlaps itself at stations {overlap[0]} and {overlap[1]}; the track's "
            "surface must not cross or touch itself: part the two stretches or narrow them"
        )


def overlapping_stations(track: "Track") -> tuple[int, int] | None:
    """The worst pair of stations whose pieces of road overlap, or None.

    Two stations far apart along the lap must also lie farther apart across the ground than their
    widths together. Along the lap, "far" is a half circle around both widths.
    """
    line = track.centre_line
    count = len(line)
    width = np.maximum(track.left_width, track.right_width)
    # Every second metre or so is dense enough beside roads that are metres wide.
    stride = max(1, round(min(2.0, 0.5 * float(width.min())) / track.spacing_metres))
    chosen = np.arange(0, count, stride)
    points, widths = line[chosen], width[chosen]
    worst, pair = 0.0, None
    for start in range(0, len(chosen), 512):
        block = slice(start, start + 512)
        away = np.hypot(*(points[block, None] - points[None]).transpose(2, 0, 1))
        along = np.abs(chosen[block, None] - chosen[None]) * track.spacing_metres
        along = np.minimum(along, track.length_metres - along)
        reach = widths[block, None] + widths[None]
        gap = np.where(along > 0.5 * np.pi * reach + 2.0, away - reach, np.inf)
        if gap.min() < worst:
            worst = float(gap.min())
            row, column = np.unravel_index(int(gap.argmin()), gap.shape)
            pair = int(chosen[start + row]), int(chosen[column])
    return pair
