"""States, and whether two are the same."""

from typing import Any

import numpy as np
import torch


def assert_same(found: Any, expected: Any, place: str = "state") -> None:
    """Equal to the bit and of equal types, in the same order."""
    assert type(found) is type(expected), f"{place}: {type(found)} is not {type(expected)}"
    if isinstance(expected, dict):
        assert list(found) == list(expected), place
        for key, value in expected.items():
            assert_same(found[key], value, f"{place}/{key}")
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected), place
        for index, value in enumerate(expected):
            assert_same(found[index], value, f"{place}/{index}")
    elif isinstance(expected, torch.Tensor):
        assert found.dtype == expected.dtype, place
        assert found.shape == expected.shape, place
        assert _bytes(found) == _bytes(expected), place
    elif isinstance(expected, np.ndarray | np.generic):
        assert found.dtype == expected.dtype, place
        assert found.shape == expected.shape, place
        assert found.tobytes() == expected.tobytes(), place
    elif isinstance(expected, float):
        assert repr(found) == repr(expected), place
    else:
        assert found == expected, place


def _bytes(tensor: torch.Tensor) -> bytes:
    if not tensor.numel():
        return b""
    content: bytes = tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    return content
