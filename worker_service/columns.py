"""An observation by column, whatever form the environment gives it."""

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import gymnasium

from distrib_l2r.spaces import Box, Spaces
from distrib_l2r.tensor import Array

Environment: TypeAlias = "gymnasium.Env[Any, Any]"

PLAIN_COLUMN = "observation"
"""The column of an observation that is not a dictionary."""

PRIVILEGED: Final = "privileged/"
"""Columns whose names begin so are for critics alone: what a simulator knows, but no sensor tells the policy
(asymmetric actor-critic, Pinto et al. 2017, https://arxiv.org/abs/1710.06542). On the wire their names lack it."""


def observation_columns(observation: Any) -> Mapping[str, Array]:
    """An observation, plain or a dictionary, by column."""
    return observation if isinstance(observation, dict) else {PLAIN_COLUMN: observation}


def column_boxes(spaces: Spaces) -> dict[str, Box]:
    """The boxes of all columns, privileged ones too, under the environment's names for them."""
    return {**spaces.observation, **{PRIVILEGED + name: box for name, box in spaces.privileged.items()}}
