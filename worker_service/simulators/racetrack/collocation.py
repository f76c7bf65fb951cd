"""Minimum-time problems along a track, by direct collocation.

The independent variable is the arc length of the centre line, in intervals on which the state is
a polynomial and the controls are constant: Radau's method IIA with two stages, of third order and
L-stable (Hairer and Wanner, Solving Ordinary Differential Equations II, ch. IV.5), so that the
stiff side slip of a slow car needs no short intervals. Its stages lie at a third and at the end of
an interval, never at its beginning: a start from rest, where the time per metre is infinite, is
solved exactly on a grid s = c k^2, on which speed and time are smooth.

The program is solved by IPOPT (Waechter and Biegler, Mathematical Programming 106, 2006) with
derivatives by CasADi (Andersson et al., Mathematical Programming Computation 11, 2019).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import casadi
import numpy as np
from numpy.typing import NDArray

from worker_service.simulators.racetrack.track import Track

Floats = NDArray[np.float64]

STAGES = (1.0 / 3.0, 1.0)
STAGE_WEIGHTS = ((5.0 / 12.0, -1.0 / 12.0), (3.0 / 4.0, 1.0 / 4.0))
# From rest the intervals grow to full length over so many.
STARTING_INTERVALS = 24
MAX_ITERATIONS = 800


class SolveError(Exception):
    """The optimisation found no solution."""


@dataclass(frozen=True, eq=False)
class Grid:
    """Intervals of arc length along a lap.

    Args:
        edges_metres: float64 [M + 1], from 0 to the lap's length.
        stages_metres: float64 [M, 2], where the equations hold.
        pace_metres: float64 [M, 2], metres a unit of the interval's parameter there.
    """

    edges_metres: Floats
    stages_metres: Floats
    pace_metres: Floats

    @classmethod
    def even(cls, length_metres: float, spacing_metres: float) -> "Grid":
        """Intervals all of the same length."""
        count = round(length_metres / spacing_metres)
        return cls._from_parameter(
            lambda k: k * (length_metres / count), lambda k: 0.0 * k + length_metres / count, count
        )

    @classmethod
    def from_rest(cls, length_metres: float, spacing_metres: float) -> "Grid":
        """Intervals that grow from next to nothing, as the way of a car that starts at rest does."""
        growing = STARTING_INTERVALS
        count = round(length_metres / spacing_metres + 0.5 * growing)
        spacing = length_metres / (count - 0.5 * growing)

        def arc(k: Floats) -> Floats:
            return spacing * np.where(k < growing, 0.5 * k * k / growing, k - 0.5 * growing)

        return cls._from_parameter(arc, lambda k: spacing * np.minimum(k / growing, 1.0), count)

    @classmethod
    def _from_parameter(cls, arc: Callable[[Floats], Floats], pace: Callable[[Floats], Floats], count: int) -> "Grid":
        edges = np.arange(count + 1.0)
        stages = edges[:-1, None] + np.array(STAGES)
        return cls(arc(edges), arc(stages), pace(stages))


@dataclass(frozen=True, eq=False)
class Bounds:
    """Least and greatest values, and the scales that bring variables near one: [D] each."""

    lower: Sequence[float]
    upper: Sequence[float]
    scale: Sequence[float]


@dataclass(frozen=True, eq=False)
class Motion:
    """What moves along the track. State 0 is the offset from the centre line.

    Args:
        rates: from state [D] and controls [C] (CasADi vectors) and the centre line's curvature
            [1/m] to the derivative of the state by time, the arc length's derivative by time
            [m/s], a cost [s/s] beside time, and the path constraints, each to be at most 0.
        states: bounds of the states; those of the offset are the track's edges instead.
        controls: bounds of the controls.
        smoothing: [C], weights in seconds of the squared changes of scaled controls from interval
            to interval.
    """

    rates: Callable[[Any, Any, Any], tuple[Any, Any, Any, Any]]
    states: Bounds
    controls: Bounds
    smoothing: Sequence[float]


@dataclass(frozen=True, eq=False)
class Solution:
    """A fastest lap.

    Args:
        grid: its intervals.
        states: float64 [M + 1, D] at the edges.
        middles: float64 [M, D] at the first stages.
        controls: float64 [M, C] in the intervals.
        seconds: float64 [M + 1], time at the edges.
        iterations: of the solver.
    """

    grid: Grid
    states: Floats
    middles: Floats
    controls: Floats
    seconds: Floats
    iterations: int

    @property
    def lap_seconds(self) -> float:
        """Time of the lap."""
        return float(self.seconds[-1])

    def states_at(self, arc_metres: Floats) -> Floats:
        """Interpolate the states."""
        return np.stack([np.interp(arc_metres, self.grid.edges_metres, column) for column in self.states.T], axis=-1)

    def controls_at(self, arc_metres: Floats) -> Floats:
        """The controls of the intervals around."""
        middle = 0.5 * (self.grid.edges_metres[:-1] + self.grid.edges_metres[1:])
        return np.stack([np.interp(arc_metres, middle, column) for column in self.controls.T], axis=-1)


def solve_lap(
    track: Track,
    motion: Motion,
    grid: Grid,
    states: Floats,
    controls: Floats,
    start: Sequence[float] | None = None,
    barrier: float = 0.1,
    verbose: bool = False,
) -> Solution:
    """Find the fastest lap.

    Args:
        track: the track.
        motion: what moves.
        grid: the intervals.
        states: float64 [M + 1, D], a first guess at the edges.
        controls: float64 [M, C], a first guess.
        start: the first state; None for a flying lap, which ends in the state that it begins in.
        barrier: the solver's first barrier parameter; small for a good guess.
        verbose: show the solver's output.

    Raises:
        SolveError: the solver did not converge.
    """
    count = len(grid.stages_metres)
    size, width = len(motion.states.scale), len(motion.controls.scale)
    scale, control_scale = casadi.DM(motion.states.scale), casadi.DM(motion.controls.scale)

    # One interval, in scaled variables.
    first, middle, last = (casadi.SX.sym(name, size) for name in ("first", "middle", "last"))
    control = casadi.SX.sym("control", width)
    curvature, pace = casadi.SX.sym("curvature", 2), casadi.SX.sym("pace", 2)
    slopes, times, costs, limits = [], [], [], []
    for stage, state in enumerate((middle, last)):
        rates, along, cost, limit = motion.rates(state * scale, control * control_scale, curvature[stage])
        slopes.append(rates / scale * (pace[stage] / along))
        times.append(pace[stage] / along)
        costs.append(pace[stage] / along * cost)
        limits.append(limit)
    gaps = [
        state - first - weights[0] * slopes[0] - weights[1] * slopes[1]
        for state, weights in zip((middle, last), STAGE_WEIGHTS, strict=True)
    ]
    time, cost = (STAGE_WEIGHTS[1][0] * a + STAGE_WEIGHTS[1][1] * b for a, b in (times, costs))
    interval = casadi.Function(
        "interval",
        [first, middle, last, control, curvature, pace],
        [casadi.vertcat(*gaps), time, cost, casadi.vertcat(*limits)],
    )

    edges = casadi.MX.sym("edges", size, count + 1)
    middles = casadi.MX.sym("middles", size, count)
    inputs = casadi.MX.sym("inputs", width, count)
    bend = np.interp(grid.stages_metres % track.length_metres, *_samples(track, track.curvature))
    gap, times_all, costs_all, limit_all = interval.map(count)(
        edges[:, :-1], middles, edges[:, 1:], inputs, casadi.DM(bend.T), casadi.DM(grid.pace_metres.T)
    )
    change = inputs[:, 1:] - inputs[:, :-1]
    objective = casadi.sum2(times_all + costs_all) + casadi.dot(casadi.DM(motion.smoothing), casadi.sum2(change**2))
    constraints, least = [casadi.vec(gap)], [np.zeros(gap.numel())]
    if limit_all.numel():
        constraints.append(casadi.vec(limit_all))
        least.append(np.full(limit_all.numel(), -np.inf))
    if start is None:
        constraints.append(edges[:, 0] - edges[:, -1])
        least.append(np.zeros(size))

    edge_bounds = _state_bounds(track, motion, grid.edges_metres)
    middle_bounds = _state_bounds(track, motion, grid.stages_metres[:, 0])
    if start is not None:
        for bound in edge_bounds:
            bound[0] = np.asarray(start) / motion.states.scale
    control_bounds = [
        np.tile(np.asarray(bound) / motion.controls.scale, (count, 1))
        for bound in (motion.controls.lower, motion.controls.upper)
    ]
    guess_middles = states[:-1] + (states[1:] - states[:-1]) * STAGES[0]
    guess = [states / motion.states.scale, guess_middles / motion.states.scale, controls / motion.controls.scale]
    lower, upper = (
        np.concatenate([edge_bounds[i].ravel(), middle_bounds[i].ravel(), control_bounds[i].ravel()]) for i in (0, 1)
    )
    least_all = np.concatenate(least)
    program = {
        "x": casadi.vertcat(casadi.vec(edges), casadi.vec(middles), casadi.vec(inputs)),
        "f": objective,
        "g": casadi.vertcat(*constraints),
    }
    options = {
        "print_time": False,
        "ipopt.print_level": 5 if verbose else 0,
        "ipopt.sb": "yes",
        "ipopt.max_iter": MAX_ITERATIONS,
        "ipopt.tol": 1e-6,
        "ipopt.mu_strategy": "monotone" if barrier < 0.1 else "adaptive",
        "ipopt.mu_init": barrier,
    }
    solver = casadi.nlpsol("lap", "ipopt", program, options)
    result = solver(x0=np.concatenate([g.ravel() for g in guess]), lbx=lower, ubx=upper, lbg=least_all, ubg=0.0)
    stats = solver.stats()
    if not stats["success"]:
        raise SolveError(
            f"the fastest lap of {track.name} at {len(grid.stages_metres)} intervals was not found after "
            f"{stats['iter_count']} iterations ({stats['return_status']}); try another spacing"
        )
    values = np.asarray(result["x"]).ravel()
    split = np.split(values, [size * (count + 1), size * (2 * count + 1)])
    found = split[0].reshape(-1, size), split[1].reshape(-1, size), split[2].reshape(-1, width)
    spent = np.asarray(
        interval.map(count)(found[0][:-1].T, found[1].T, found[0][1:].T, found[2].T, bend.T, grid.pace_metres.T)[1]
    ).ravel()
    return Solution(
        grid,
        states=found[0] * motion.states.scale,
        middles=found[1] * motion.states.scale,
        controls=found[2] * motion.controls.scale,
        seconds=np.concatenate([[0.0], np.cumsum(spent)]),
        iterations=int(stats["iter_count"]),
    )


def _samples(track: Track, values: Floats) -> tuple[Floats, Floats]:
    """Arc lengths and values of a closed sequence, for interpolation as `tracking` does it."""
    return np.linspace(0.0, track.length_metres, len(values) + 1), np.append(values, values[0])


def _state_bounds(track: Track, motion: Motion, arc_metres: Floats) -> list[Floats]:
    """Scaled lower and upper bounds [M, D] at arc lengths [M]."""
    lower = np.tile(np.asarray(motion.states.lower, np.float64), (len(arc_metres), 1))
    upper = np.tile(np.asarray(motion.states.upper, np.float64), (len(arc_metres), 1))
    arc = arc_metres % track.length_metres
    lower[:, 0] = -np.interp(arc, *_samples(track, track.right_width))
    upper[:, 0] = np.interp(arc, *_samples(track, track.left_width))
    return [lower / motion.states.scale, upper / motion.states.scale]
