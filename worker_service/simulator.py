"""The simulator as the rollout sees it: every call has a deadline, and everything it returns is checked."""

import functools
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import numpy as np
from numpy import isfinite, ndarray

from distrib_l2r.spaces import Box, Spaces
from distrib_l2r.tensor import Array
from worker_service.columns import Environment, column_boxes, observation_columns
from worker_service.deadline import CallExpiredError, DeadlineWatch
from worker_service.environment import environment_spaces, most_environments

_logger = logging.getLogger(__name__)

LARGEST_REWARD: Final = float(np.finfo(np.float32).max)


class SimulatorFailedError(RuntimeError):
    """The simulator raised, or returned what cannot be used; the episode ends before that step."""


FEW: Final = 1024
"""Up to so many numbers Python's search in their bytes is quicker than numpy's look at each."""
LAST_BYTES: Final = {np.dtype("<f4"): slice(3, None, 4), np.dtype("<f8"): slice(7, None, 8)}
"""Where in memory each number's last byte is."""

Step: TypeAlias = tuple[Mapping[str, Array], float, bool, bool, Mapping[str, Any]]
"""What one step led to: the observation, each column in its box's shape and dtype, finite; the reward, finite as
float32; whether that terminated the episode; whether a limit truncated it; the simulator's `info`."""


def all_finite(array: Array) -> bool:
    """Whether no element is NaN or infinite; in a fifth of the time that `isfinite().all()` takes for a few numbers."""
    last = LAST_BYTES.get(array.dtype)
    if last is not None and array.size <= FEW:
        # That byte has the sign and most of the exponent: 127 or 255 in all that is not finite, and otherwise only in
        # what is nearly as large.
        last_bytes = array.tobytes()[last]
        if 127 not in last_bytes and 255 not in last_bytes:
            return True
    return bool(isfinite(array).all())


class Simulator:
    """One environment at a time, made anew after each failure.

    Args:
        make: makes and wraps the environment.
        watch: watches the calls.
        spaces: what the environment's must be; those of the first made if not given.
        step_seconds: deadline of a step.
        reset_seconds: deadline of a reset, of making and closing, and of the first step, which may still compile.
    """

    def __init__(
        self,
        make: Callable[[], Environment],
        watch: DeadlineWatch,
        *,
        step_seconds: float,
        reset_seconds: float,
        spaces: Spaces | None = None,
    ) -> None:
        self._make = make
        self._watch = watch
        self._step_seconds = step_seconds
        self._reset_seconds = reset_seconds
        self._next_step_seconds = reset_seconds
        self._environment: Environment | None = None
        self._spaces = spaces
        self.most_beside: int | None = None
        """How many such environments this process may hold at most; None: any number, as far as is known."""
        self._expected: list[tuple[str, np.dtype[Any], tuple[int, ...], bool]] = []

    @property
    def spaces(self) -> Spaces:
        """The environment's; of the first made, and the same ever after."""
        assert self._spaces is not None, "made before it is asked"
        return self._spaces

    @property
    def made(self) -> bool:
        """Whether there is an environment."""
        return self._environment is not None

    def make(self) -> None:
        """Makes the environment.

        Raises:
            SimulatorFailedError: it raised, its error chained, or its spaces are not what they were.
            CallExpiredError: it took too long, and somebody else has taken over.
        """
        environment = self._call("making the environment", self._reset_seconds, self._make)
        try:
            spaces = environment_spaces(environment)
        except TypeError as error:
            raise SimulatorFailedError(str(error)) from error
        mismatch = self._spaces.mismatch(spaces) if self._spaces is not None else None
        if mismatch is not None:
            difference = mismatch.replace("the run's", "the first one's")
            raise SimulatorFailedError(f"the environment made anew differs: {difference}")
        self._environment, self._spaces = environment, spaces
        self._expected = [
            (name, box.dtype, box.shape, box.dtype.kind == "f") for name, box in column_boxes(spaces).items()
        ]
        self._next_step_seconds = self._reset_seconds
        self.most_beside = most_environments(environment)

    def reset(self, seed: int | None) -> Mapping[str, Array]:
        """Begins an episode; returns its first observation, by column.

        Raises:
            SimulatorFailedError: it raised, or returned what cannot be used.
            CallExpiredError: it took too long, and somebody else has taken over.
        """
        assert self._environment is not None, "made before it is driven"
        answer = self._call("reset", self._reset_seconds, functools.partial(self._environment.reset, seed=seed))
        try:
            observation, _ = answer
        except (TypeError, ValueError) as error:
            raise SimulatorFailedError(f"reset returned {answer!r:.200}; it must be observation, info") from error
        return self._columns(observation)

    def step(self, action: Array) -> Step:
        """Takes a step.

        Raises:
            SimulatorFailedError: it raised, or returned what cannot be used.
            CallExpiredError: it took too long, and somebody else has taken over.
        """
        assert self._environment is not None, "made before it is driven"
        try:
            # A copy: some wrappers change what they are given.
            answer = self._watch.call("step", self._next_step_seconds, self._environment.step, action.copy())
        except CallExpiredError:
            raise
        # Simulators raise anything, and some try to end the process.
        except (Exception, SystemExit) as error:
            raise _failed("step", error) from error
        self._next_step_seconds = self._step_seconds
        try:
            observation, given_reward, terminated, truncated, info = answer
            reward, terminated, truncated = float(given_reward), bool(terminated), bool(truncated)
        except (TypeError, ValueError) as error:
            raise SimulatorFailedError(
                f"step returned {answer!r:.200}; it must be observation, reward, terminated, truncated, info"
            ) from error
        # False for NaN as well.
        if not abs(reward) <= LARGEST_REWARD:
            raise SimulatorFailedError(f"step returned the reward {reward}; it must be finite as float32")
        # An exact dictionary, as nearly always, is known much quicker than any mapping.
        if type(info) is not dict and not isinstance(info, Mapping):
            info = {}
        return self._columns(observation), reward, terminated, truncated, info

    def close(self) -> None:
        """Closes the environment, if there is one; one that fails to close is reported and left behind.

        Raises:
            CallExpiredError: it took too long, and somebody else has taken over.
        """
        environment, self._environment = self._environment, None
        if environment is not None:
            try:
                self._call("closing the environment", self._reset_seconds, environment.close)
            except SimulatorFailedError:
                _logger.exception("the simulator failed while it was closed")

    def _call(self, what: str, seconds: float, function: Callable[[], Any]) -> Any:
        try:
            return self._watch.call(what, seconds, function)
        except CallExpiredError:
            raise
        except (Exception, SystemExit) as error:
            raise _failed(what, error) from error

    def _columns(self, observation: Any) -> Mapping[str, Array]:
        given = observation_columns(observation)
        # Nearly always everything is as it should be, and then this is all.
        for name, dtype, shape, floating in self._expected:
            column = given.get(name)
            if (
                type(column) is not ndarray
                or column.dtype is not dtype
                or column.shape != shape
                or (floating and not all_finite(column))
            ):
                return self._converted_columns(given)
        return given

    def _converted_columns(self, given: Mapping[str, Any]) -> Mapping[str, Array]:
        """The columns in their boxes' dtypes.

        Raises:
            SimulatorFailedError: one cannot be used.
        """
        columns: dict[str, Array] = {}
        for name, box in column_boxes(self.spaces).items():
            if name not in given:
                raise SimulatorFailedError(f"the observation has no column {name!r}; its space has one")
            column = np.asarray(given[name])
            if column.dtype != box.dtype or column.shape != box.shape:
                column = _converted(name, column, box)
            if column.dtype.kind == "f" and not all_finite(column):
                raise SimulatorFailedError(f"observation {name!r} is not finite: {column!r:.200}")
            columns[name] = column
        return columns


def _failed(what: str, error: BaseException) -> SimulatorFailedError:
    return SimulatorFailedError(f"{what} raised {type(error).__name__}: {error}")


def _converted(name: str, column: Array, box: Box) -> Array:
    """The column in its box's dtype.

    Raises:
        SimulatorFailedError: shape or kind are wrong. Widths of floating-point numbers may differ, as they do in many
            environments; that bounds of observations are exceeded, which is as common, harms nobody.
    """
    if column.shape != box.shape or (column.dtype.kind, box.dtype.kind) != ("f", "f"):
        raise SimulatorFailedError(
            f"observation {name!r} is {column.dtype.name} {column.shape}; its space is {box}: correct the wrapper"
        )
    with np.errstate(over="ignore"):  # what becomes infinite is refused as such
        return column.astype(box.dtype)
