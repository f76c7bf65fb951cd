"""Environments as the wire sees them: made by id, wrapped, and their spaces as named boxes."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import gymnasium
import numpy as np

import worker_service.simulators  # registers the simulators that come with the worker  # noqa: F401
from distrib_l2r.spaces import Box, Spaces
from distrib_l2r.tensor import data_type
from worker_service.columns import PLAIN_COLUMN, PRIVILEGED, Environment

EnvironmentWrapper: TypeAlias = Callable[[Environment], Environment]

ENCODER_ARGUMENTS: Final = ("encoder", "encoder_frames", "encoder_keep")
"""Arguments that no environment gets: they name what encodes its pictures (see `worker_service.encoders`)."""


def make_environment(
    id: str,  # noqa: A002
    arguments: Mapping[str, Any] | None = None,
    wrapper: EnvironmentWrapper | None = None,
) -> Environment:
    """The environment with this Gymnasium id, its pictures encoded where the arguments name an encoder, wrapped.

    Raises:
        gymnasium.error.Error: the id is unknown here.
        TypeError: an argument is none of the environment's.
        ValueError: the encoder cannot be used, or not with this environment.
    """
    arguments = dict(arguments or {})
    encoding = {name: arguments.pop(name) for name in ENCODER_ARGUMENTS if name in arguments}
    # The checker warns about what `environment_spaces` refuses with a remedy, and costs time at every step.
    environment = gymnasium.make(id, disable_env_checker=True, **arguments)
    if encoding:
        # Most workers have no encoder, and need not have what it needs.
        from worker_service.encoders.encoded_image import encoded  # noqa: PLC0415

        try:
            environment = encoded(environment, **encoding)
        except BaseException:
            environment.close()
            raise
    return wrapper(environment) if wrapper else environment


def environment_spaces(environment: Environment) -> Spaces:
    """The environment's spaces.

    Raises:
        TypeError: an observation is neither a Box nor a Dict of Boxes, the action is not a Box, or a Box's dtype does
            not travel.
    """
    observation = environment.observation_space
    boxes = observation.spaces if isinstance(observation, gymnasium.spaces.Dict) else {PLAIN_COLUMN: observation}
    found = {name: _box(space, f"observation {name!r}") for name, space in boxes.items()}
    return Spaces(
        observation={name: box for name, box in found.items() if not name.startswith(PRIVILEGED)},
        privileged={name.removeprefix(PRIVILEGED): box for name, box in found.items() if name.startswith(PRIVILEGED)},
        action=_box(environment.action_space, "action"),
    )


def most_environments(environment: Environment) -> int | None:
    """How many such environments one process may hold at most, as `metadata["max_environments_per_process"]` says.

    A simulator that is one program beside the worker, say, or keeps its state in a library, has 1 there. None: any.
    """
    most = environment.metadata.get("max_environments_per_process")
    return most if isinstance(most, int) else None


def load_wrapper(reference: str) -> EnvironmentWrapper:
    """The callable that package.module:callable names.

    Raises:
        ValueError: it names none.
    """
    module_name, _, name = reference.partition(":")
    try:
        wrapper = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(
            f"env wrapper {reference!r} cannot be loaded ({error}); write package.module:callable"
        ) from error
    if not callable(wrapper):
        raise ValueError(f"env wrapper {reference!r} is a {type(wrapper).__name__}; it must be callable")
    return wrapper  # type: ignore[no-any-return]


def _box(space: Any, what: str) -> Box:
    if not isinstance(space, gymnasium.spaces.Box):
        raise TypeError(f"{what} is a {type(space).__name__} space; only Box travels: wrap the environment")
    dtype = np.dtype(space.dtype)
    try:
        data_type(dtype)
    except TypeError as error:
        raise TypeError(f"{what}: {error}, or wrap the environment") from error
    return Box(low=space.low.astype(dtype), high=space.high.astype(dtype))
