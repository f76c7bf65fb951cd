"""A driver that follows the optimal line: what optimal control plans can be driven at ten actions a second."""

from dataclasses import dataclass
from math import exp
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker_service.simulators.racetrack import tracking
from worker_service.simulators.racetrack.car_state import CarState
from worker_service.simulators.racetrack.optimum import find_optimum
from worker_service.simulators.racetrack.track import Track
from worker_service.simulators.racetrack.vehicle import CAR, Vehicle, advance

Floats = NDArray[np.float64]
Records = tuple[NDArray[Any], NDArray[Any]]
"""A car's `CAR` and `PLACE`."""

CONTROL_SECONDS = 0.1
SUBSTEPS = 10
HORIZON_STEPS = 12
ITERATIONS = 3
STEP_LENGTHS = (1.0, 0.5, 0.2, 0.05)
# What counts as much as each other: offset from the line [m], heading [rad], forward and sideways
# speed [m/s], yaw rate [rad/s], distance beyond the margin [m], and departures from the plan of
# steer rate and pedals as shares of their ranges.
ERRORS = np.array([0.15, 0.1, 0.5, 2.0, 0.5, 0.05])
DEPARTURES = np.array([4.0, 4.0])
NUDGE = 1e-3
WIDTH = len(ERRORS)
SWEEPS = 12
# Far from the plan these shares of the distance to it count as much as the errors above.
LAG_SHARE, APART_SHARE = 0.4, 0.5
# The distance to the line falls by a factor e over a length plus a time times the speed.
MERGE_METRES = 15.0
MERGE_SECONDS = 0.7


@dataclass(frozen=True, eq=False)
class Outlook:
    """What the next actions are chosen for."""

    start: Records
    planned: Floats
    """The optimum's inputs from here on [H, 2]: shares of the steer rate and of the pedals."""
    apart_metres: float
    """The car's distance from the line; it is to fall by a factor e over `merge_metres`."""
    merge_metres: float
    scales: Floats
    """What errors are divided by [WIDTH]."""


class OptimalDriver:
    """Follows the optimal line by model predictive control with the car's own equations.

    The plan is the optimal lap, kept a margin off the edges. Each action is the first of those
    that, held for a tenth of a second each, keep the car closest to the plan over the next 1.2 s in
    the sense of least squares: Gauss-Newton steps within the limits of both actions, begun from
    the optimum's own steer rate and command (after Rawlings, Mayne and Diehl, Model Predictive
    Control, 2nd ed., 2017, ch. 8). So hold and rate limit need no correction of their own. The plan
    is read at the car's place, not at a time. The driver remembers its last answer as the start for
    the next.

    Args:
        track: a track whose optimum is known.
        vehicle: the car.
        margin_metres: to keep from the edges.
        speed_share: of the optimal speeds.

    Raises:
        ValueError: no optimum is known.
    """

    def __init__(
        self,
        track: Track,
        vehicle: Vehicle | None = None,
        *,
        margin_metres: float = 0.1,
        speed_share: float = 1.0,
    ) -> None:
        self._vehicle = vehicle or Vehicle()
        optimum = find_optimum(track, self._vehicle)
        if optimum is None:
            raise ValueError(f"no optimum of {track.name} is known; compute it with solve --track")
        line = optimum.line
        at = np.linspace(0.0, track.length_metres, len(track.stations))
        left, right = (np.interp(line.arc_metres, at, track.stations[n]) for n in ("left_width", "right_width"))
        seconds = np.append(line.time_seconds, optimum.flying_lap_seconds)
        columns = np.stack(
            [
                np.clip(line.offset_metres, margin_metres - right, left - margin_metres),
                line.heading_error_radians,
                speed_share * line.forward_metres_per_second,
                speed_share * line.sideways_metres_per_second,
                speed_share * line.yaw_rate_radians_per_second,
                left - margin_metres,
                margin_metres - right,
                np.diff(np.append(line.steer_radians, line.steer_radians[0]))
                / np.diff(seconds)
                / self._vehicle.steer_rate_radians_per_second,
                line.command,
            ],
            axis=1,
        )
        self._plan = np.vstack([columns, columns[:1]])
        self._length = track.length_metres
        self._spacing_metres = track.length_metres / len(columns)
        self._stations, self._spacing = track.stations, track.spacing_metres
        self._record = self._vehicle.record()
        self._inputs = np.zeros((HORIZON_STEPS, 2))
        self._weights = tracking.Reward().record()

    def act(self, state: CarState) -> NDArray[np.float32]:
        """Choose the action in a state: float32 [2] in [-1, 1]."""
        outlook = self._outlook(state)
        # The last answer, moved on by a step, is the better start unless the car is somewhere else.
        starts = (np.vstack([self._inputs[1:], outlook.planned[-1:]]), outlook.planned)
        inputs = min(starts, key=lambda inputs: self._cost(outlook, inputs))
        for _ in range(ITERATIONS):
            matrix, errors = self._linearised(outlook, inputs)
            move = _bounded_step(matrix, errors, inputs.ravel()).reshape(-1, 2)
            cost = float(errors @ errors)
            tries = (inputs + length * move for length in STEP_LENGTHS)
            better = next((tried for tried in tries if self._cost(outlook, tried) < cost), None)
            if better is None:
                break
            inputs = better
        self._inputs = inputs
        return self._action(state.steer_radians, inputs[0]).astype(np.float32)

    def planned_offset_metres(self, arc_metres: float) -> float:
        """Of the plan from the centre line at an arc length, left positive."""
        return float(self._planned(arc_metres)[0])

    def _outlook(self, state: CarState) -> Outlook:
        planned = self._planned(state.arc_metres)
        apart = state.offset_metres - float(planned[0])
        lag = float(planned[2]) - state.forward_metres_per_second
        scales = ERRORS.copy()
        # After a standing start the plan is far off: staying on the track counts more.
        scales[0] = max(scales[0], APART_SHARE * abs(apart))
        scales[2] = max(scales[2], LAG_SHARE * lag)
        return Outlook(
            start=_records(state),
            planned=self._planned_inputs(state),
            apart_metres=apart,
            merge_metres=MERGE_METRES + MERGE_SECONDS * max(state.forward_metres_per_second, 0.0),
            scales=scales,
        )

    def _cost(self, outlook: Outlook, inputs: Floats) -> float:
        errors = self._rollout(outlook, outlook.start, inputs)[1]
        return float(np.square(errors).sum() + np.square((inputs - outlook.planned) / DEPARTURES).sum())

    def _linearised(self, outlook: Outlook, inputs: Floats) -> tuple[Floats, Floats]:
        """Everything squared in the cost [R], and its derivatives by the inputs [R, 2 H]."""
        befores, errors = self._rollout(outlook, outlook.start, inputs)
        slopes = np.zeros((HORIZON_STEPS, WIDTH, inputs.size))
        for k in range(HORIZON_STEPS):
            for i in range(2):
                nudged = inputs[k:].copy()
                nudge = NUDGE if nudged[0, i] < 0.0 else -NUDGE
                nudged[0, i] += nudge
                changed = self._rollout(outlook, befores[k], nudged)[1]
                slopes[k:, :, 2 * k + i] = (changed - errors[k:]) / nudge
        departures = ((inputs - outlook.planned) / DEPARTURES).ravel()
        identity = np.diag(np.tile(1.0 / DEPARTURES, HORIZON_STEPS))
        return np.vstack([slopes.reshape(-1, inputs.size), identity]), np.concatenate([errors.ravel(), departures])

    def _planned_inputs(self, state: CarState) -> Floats:
        """What the optimum does from here on, as shares of the steer rate and of the pedals [H, 2]."""
        arc, inputs = state.arc_metres, np.empty((HORIZON_STEPS, 2))
        speed = max(state.forward_metres_per_second, 5.0)
        for k in range(HORIZON_STEPS):
            plan = self._planned(arc + 0.5 * speed * CONTROL_SECONDS)
            inputs[k] = plan[7:9]
            arc += speed * CONTROL_SECONDS
        return np.clip(inputs, -1.0, 1.0)

    def _rollout(self, outlook: Outlook, start: Records, inputs: Floats) -> tuple[list[Records], Floats]:
        """The states before each step, and the weighted errors [K, WIDTH] after it."""
        first_metres = outlook.start[1]["distance_metres"][0]
        car, place = start[0].copy(), start[1].copy()
        befores, errors = [], np.empty((len(inputs), WIDTH))
        for k, step in enumerate(inputs):
            befores.append((car.copy(), place.copy()))
            steer, command = self._action(float(car["steer"][0]), step).tolist()
            advance(car, self._record, steer, command, CONTROL_SECONDS, SUBSTEPS)
            tracking.follow(car, place, self._stations, self._spacing, self._weights, 0.0, 0.0, CONTROL_SECONDS, np.inf)
            _, _, _, vx, vy, yaw_rate, _ = car[0].item()
            at = place[0]
            plan = self._planned(float(at["arc_metres"]))
            offset = float(at["offset_metres"])
            driven = float(at["distance_metres"] - first_metres)
            off_line = offset - plan[0] - outlook.apart_metres * exp(-driven / outlook.merge_metres)
            beyond = max(offset - plan[5], 0.0) - max(plan[6] - offset, 0.0)
            turn = float(at["heading_error_radians"]) - plan[1]
            errors[k] = (off_line, turn, vx - plan[2], vy - plan[3], yaw_rate - plan[4], beyond)
        return befores, errors / outlook.scales

    def _action(self, steer_radians: float, step: Floats) -> Floats:
        turned = steer_radians + step[0] * self._vehicle.steer_rate_radians_per_second * CONTROL_SECONDS
        return np.asarray(np.clip([turned / self._vehicle.steer_limit_radians, step[1]], -1.0, 1.0))

    def _planned(self, arc_metres: float) -> Floats:
        """The row of the plan at an arc length."""
        where = arc_metres % self._length / self._spacing_metres
        low = min(int(where), len(self._plan) - 2)
        return np.asarray(self._plan[low] + (where - low) * (self._plan[low + 1] - self._plan[low]))


def _records(state: CarState) -> Records:
    car, place = np.zeros(1, CAR), np.zeros(1, tracking.PLACE)
    car[0] = (
        state.x_metres,
        state.y_metres,
        state.yaw_radians,
        state.forward_metres_per_second,
        state.sideways_metres_per_second,
        state.yaw_rate_radians_per_second,
        state.steer_radians,
    )
    place["arc_metres"], place["distance_metres"] = state.arc_metres, state.distance_metres
    place["offset_metres"], place["heading_error_radians"] = state.offset_metres, state.heading_error_radians
    return car, place


def _bounded_step(matrix: Floats, errors: Floats, inputs: Floats) -> Floats:
    """The step that minimises |errors + matrix step|^2 while inputs + step stay in [-1, 1].

    By projected Newton steps (Bertsekas, SIAM J. Control and Optimization 20(2), 1982).
    """
    normal, right = matrix.T @ matrix, matrix.T @ errors
    low, high = -1.0 - inputs, 1.0 - inputs
    step = np.zeros_like(inputs)
    value = 0.0
    for _ in range(SWEEPS):
        gradient = normal @ step + right
        free = ~(((step <= low) & (gradient > 0.0)) | ((step >= high) & (gradient < 0.0)))
        if not free.any():
            break
        move = np.zeros_like(step)
        move[free] = -np.linalg.solve(normal[np.ix_(free, free)], gradient[free])
        length = 1.0
        while length > 1e-3:
            tried = np.clip(step + length * move, low, high)
            better = float(tried @ (0.5 * normal @ tried + right))
            if better < value:
                break
            length *= 0.5
        else:
            break
        step, value = tried, better
    return step
