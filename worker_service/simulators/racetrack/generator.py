"""Random tracks, the same for the same seed."""

import numpy as np
from numpy.typing import NDArray

from worker_service.simulators.racetrack.track import Track, resample

Floats = NDArray[np.float64]

SHORTEST_METRES, LONGEST_METRES = 1200.0, 4000.0
NARROWEST_METRES, WIDEST_METRES = 9.0, 14.0
SMALLEST_RADIUS_METRES = 13.0
ROUNDINGS = 8


def random_track(seed: int) -> Track:
    """Draw a track: a wobbly polygon about a point, its corners rounded by a Gaussian filter.

    The filter leaves straights straight and turns corners into bends whose curvature rises and
    falls smoothly; corners sharper than 13 m of radius are rounded further. Drafts that remain
    sharper or touch themselves are drawn anew.

    Args:
        seed: a whole number, not negative.
    """
    random = np.random.default_rng(seed)
    while True:
        line = _draft(random)
        half_width = random.uniform(NARROWEST_METRES, WIDEST_METRES) / 2.0
        if _tightest_radius(line) < SMALLEST_RADIUS_METRES:
            continue
        try:
            return Track.from_points(f"random:{seed}", line, half_width, half_width)
        except ValueError:  # overlaps itself
            continue


def _draft(random: np.random.Generator) -> Floats:
    """One closed line [M, 2] that begins on its longest straight, driven either way round."""
    corners = int(random.integers(8, 19))
    angles = 2.0 * np.pi * (np.arange(corners) + random.uniform(-0.35, 0.35, corners)) / corners
    radii = random.uniform(0.35, 1.0, corners)
    stretch = random.uniform(0.5, 1.0)
    polygon = np.stack([radii * np.cos(angles), stretch * radii * np.sin(angles)], axis=1)
    if random.random() < 0.5:
        polygon = polygon[::-1]
    sides = np.hypot(*(np.roll(polygon, -1, axis=0) - polygon).T)
    longest = int(sides.argmax())
    start = polygon[longest] + 0.4 * (polygon[(longest + 1) % corners] - polygon[longest])
    polygon = np.vstack([start, np.roll(polygon, -longest - 1, axis=0)])
    length = random.uniform(SHORTEST_METRES, LONGEST_METRES)
    polygon *= length / sides.sum()
    line = resample(polygon, round(length))
    # Tight here, open there: a mixture of two roundings, its share swinging along the lap.
    tight, wide = random.uniform(9.0, 14.0), random.uniform(20.0, 40.0)
    swings, phase = int(random.integers(1, 5)), random.uniform(0.0, 2.0 * np.pi)
    share = 0.5 + 0.5 * np.sin(swings * np.linspace(0.0, 2.0 * np.pi, len(line)) + phase)
    rounded = line
    for _ in range(ROUNDINGS):
        rounded = share[:, None] * _smoothed(line, tight)
        rounded += (1.0 - share[:, None]) * _smoothed(line, wide)
        if _tightest_radius(rounded) > SMALLEST_RADIUS_METRES:
            break
        tight, wide = 1.2 * tight, max(wide, 1.4 * tight)
    # Rounding has cut the corners; growing back to the length drawn widens every radius.
    steps = np.hypot(*(np.roll(rounded, -1, axis=0) - rounded).T)
    return np.asarray(rounded * (length / steps.sum()))


def _smoothed(line: Floats, deviation_metres: float) -> Floats:
    """A Gaussian filter along a closed line whose points are a metre apart."""
    frequency = np.fft.rfftfreq(len(line))  # cycles a metre
    damping = np.exp(-2.0 * (np.pi * deviation_metres * frequency) ** 2)
    return np.asarray(np.fft.irfft(np.fft.rfft(line, axis=0) * damping[:, None], len(line), axis=0))


def _tightest_radius(line: Floats) -> float:
    even = resample(line, len(line))
    tangent = np.roll(even, -1, axis=0) - even
    heading = np.unwrap(np.arctan2(tangent[:, 1], tangent[:, 0]))
    return float(np.hypot(*tangent.T).mean() / np.abs(np.diff(heading)).max())
