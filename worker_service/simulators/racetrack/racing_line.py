"""A fast line around a track, and the speeds it allows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker_service.simulators.racetrack.compiled import kernel
from worker_service.simulators.racetrack.speed_profile import SpeedProfile, speed_profile
from worker_service.simulators.racetrack.track import Track
from worker_service.simulators.racetrack.vehicle import Vehicle

Floats = NDArray[np.float64]

KNOT_METRES = 4.0
POINT_METRES = 1.0
NEWTON_STEPS = 40
# Weights of the logarithmic barrier, against squared curvatures summed over points.
FIRST_BARRIER, LAST_BARRIER = 1e-3, 1e-9
# How many splines touch a point or its neighbours.
SUPPORT = 6


@dataclass(frozen=True, eq=False)
class RacingLine:
    """A closed line within a track.

    Args:
        points: float64 [N, 2], metres.
    """

    points: Floats

    @property
    def steps(self) -> Floats:
        """Metres from each point to the next [N]."""
        return np.asarray(np.hypot(*(np.roll(self.points, -1, axis=0) - self.points).T))

    @property
    def heading(self) -> Floats:
        """Direction at each point [N], radians."""
        first, _ = _differences(self.points)
        return np.asarray(np.arctan2(first[:, 1], first[:, 0]))

    @property
    def curvature(self) -> Floats:
        """At each point [N], 1/metres, left positive."""
        first, second = _differences(self.points)
        cross = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
        return np.asarray(cross / np.hypot(*first.T) ** 3)


def minimum_curvature_line(track: Track, margin_metres: float = 0.0) -> RacingLine:
    """The line within the track's edges whose squared curvature, summed along it, is smallest.

    The offset from the centre line is a periodic cubic B-spline whose coefficients stay within
    the widths (so the spline does); Gauss-Newton steps on the line's true curvature with a
    logarithmic barrier. After Heilmeier et al., Vehicle System Dynamics 58(10), 2020, who solve
    the linearised problem.

    Args:
        track: the track.
        margin_metres: kept from both edges; limited to 90 % of the width.
    """
    stride = max(1, round(POINT_METRES / track.spacing_metres))
    centre = track.centre_line[::stride]
    count = len(centre)
    knots = max(8, round(track.length_metres / KNOT_METRES))
    basis = _spline_basis(count, knots)
    normal = track.normal[::stride]
    upper = _knot_minimum(track.left_width[::stride], knots)
    lower = _knot_minimum(track.right_width[::stride], knots)
    upper = np.maximum(upper - margin_metres, 0.1 * upper)
    lower = -np.maximum(lower - margin_metres, 0.1 * lower)

    # How the two differences of the points depend on the coefficients; a point feels only the
    # few splines around it: [count, SUPPORT] values for the knots `near`.
    near = (np.arange(count) * knots // count)[:, None] + np.arange(SUPPORT)[None] - SUPPORT // 2 + 1
    near %= knots
    first_x, second_x = (np.take_along_axis(d, near, axis=1) for d in _differences(normal[:, :1] * basis))
    first_y, second_y = (np.take_along_axis(d, near, axis=1) for d in _differences(normal[:, 1:] * basis))
    # Taking knots from both ends in turn makes the closed chain an open one: a band matrix.
    folded = np.empty(knots, np.intp)
    folded[::2] = np.arange((knots + 1) // 2)
    folded[1::2] = np.arange(knots - 1, (knots - 1) // 2, -1)
    coefficients = 0.5 * (upper + lower)
    barrier = FIRST_BARRIER
    for _ in range(NEWTON_STEPS):
        first, second = _differences(centre + normal * (basis @ coefficients)[:, None])
        (x1, y1), (x2, y2) = first.T[:, :, None], second.T[:, :, None]
        pace = np.hypot(x1, y1)
        cross = x1 * y2 - y1 * x2
        residual = cross / pace**2.5
        slope = (y2 * first_x + x1 * second_y - x2 * first_y - y1 * second_x) / pace**2.5
        slope -= 2.5 * cross / pace**4.5 * (x1 * first_x + y1 * first_y)
        above, below = upper - coefficients, coefficients - lower
        gradient = barrier * (1.0 / above - 1.0 / below)
        hessian = np.diag(barrier * (1.0 / above**2 + 1.0 / below**2))
        np.add.at(gradient, near, slope * residual)
        np.add.at(hessian, (near[:, :, None], near[:, None, :]), slope[:, :, None] * slope[:, None])
        move = np.empty(knots)
        move[folded] = _solved(hessian[np.ix_(folded, folded)], -gradient[folded], 2 * SUPPORT)
        room = np.where(move > 0.0, above, below) / np.maximum(np.abs(move), 1e-12)
        coefficients = coefficients + min(1.0, 0.9 * float(room.min())) * move
        barrier = max(0.6 * barrier, LAST_BARRIER)
    return RacingLine(centre + normal * (basis @ coefficients)[:, None])


def racing_profile(
    track: Track, vehicle: Vehicle, margin_metres: float = 0.0, grip_share: float = 1.0
) -> tuple[RacingLine, SpeedProfile]:
    """The minimum-curvature line and the fastest speeds along it; see `speed_profile`."""
    line = minimum_curvature_line(track, margin_metres)
    return line, speed_profile(line.curvature, line.steps, vehicle, grip_share)


def _differences(values: Floats) -> tuple[Floats, Floats]:
    """First and second central differences of a closed sequence, along axis 0."""
    after, before = np.roll(values, -1, axis=0), np.roll(values, 1, axis=0)
    return 0.5 * (after - before), after - 2.0 * values + before


def _spline_basis(count: int, knots: int) -> Floats:
    """Periodic uniform cubic B-splines [count, knots], evaluated at even parameters."""
    at = np.arange(count)[:, None] * (knots / count) - np.arange(knots)[None]
    away = np.abs((at + knots / 2.0) % knots - knots / 2.0)
    inner = 2.0 / 3.0 - away**2 + 0.5 * away**3
    outer = np.maximum(2.0 - away, 0.0) ** 3 / 6.0
    return np.asarray(np.where(away < 1.0, inner, outer))


@kernel
def _solved(matrix: Floats, right: Floats, band: int) -> Floats:
    """Solve a symmetric positive definite system by Cholesky's method, in place.

    Args:
        matrix: float64 [N, N], zero where row and column differ by more than `band`.
        right: float64 [N].
        band: see above.
    """
    count = len(right)
    for j in range(count):
        first = max(0, j - band)
        for i in range(j, min(count, j + band + 1)):
            left_of = matrix[i, j]
            for k in range(max(first, i - band), j):
                left_of -= matrix[i, k] * matrix[j, k]
            matrix[i, j] = np.sqrt(left_of) if i == j else left_of / matrix[j, j]
    for i in range(count):
        for k in range(max(0, i - band), i):
            right[i] -= matrix[i, k] * right[k]
        right[i] /= matrix[i, i]
    for i in range(count - 1, -1, -1):
        for k in range(i + 1, min(count, i + band + 1)):
            right[i] -= matrix[k, i] * right[k]
        right[i] /= matrix[i, i]
    return right


def _knot_minimum(width: Floats, knots: int) -> Floats:
    """The least width within reach of each spline [knots]."""
    count = len(width)
    reach = int(np.ceil(2.0 * count / knots))
    middle = np.round(np.arange(knots) * count / knots).astype(int)
    window = middle[:, None] + np.arange(-reach, reach + 1)[None]
    return np.asarray(width[window % count].min(axis=1))
