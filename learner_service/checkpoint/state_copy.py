"""A copy of a state that training may go on beside."""

import copy
from collections import OrderedDict
from typing import Any

import torch


def copy_state(state: Any) -> Any:
    """A private copy of nested dicts, lists and tuples; tensors stay on their device and lose their gradient.

    An OrderedDict, as modules have it, becomes a dict, as it does on disk. Several times as fast as `copy.deepcopy`,
    and without the rest of the storage that a tensor is a view of.
    """
    if isinstance(state, torch.Tensor):
        return state.detach().clone()
    # Exact types: what a subclass holds besides its items is not for this function to know.
    kind = type(state)
    if kind is dict or kind is OrderedDict:
        return {key: copy_state(value) for key, value in state.items()}
    if kind is list:
        return [copy_state(value) for value in state]
    if kind is tuple:
        return tuple(copy_state(value) for value in state)
    return copy.deepcopy(state)
