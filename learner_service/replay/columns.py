"""The columns of replay: what a row holds, and where its memory comes from."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from distrib_l2r.spaces import Spaces
from distrib_l2r.tensor import Array


@dataclass(frozen=True, kw_only=True)
class Column:
    """One array of the ring."""

    name: str
    """Unique in the ring, such as `observation/camera`."""
    shape: tuple[int, ...]
    """Of the whole array; its first dimension is rows."""
    dtype: np.dtype[Any]
    """Of its elements."""


def ring_columns(spaces: Spaces, capacity: int) -> Iterator[Column]:
    """Every column of a ring of `capacity` rows in these spaces."""
    boxes = {"action": spaces.action}
    boxes |= {f"observation/{name}": box for name, box in spaces.observation.items()}
    boxes |= {f"privileged/{name}": box for name, box in spaces.privileged.items()}
    for name, box in boxes.items():
        yield Column(name=name, shape=(capacity, *box.shape), dtype=box.dtype)
    yield Column(name="reward", shape=(capacity,), dtype=np.dtype(np.float32))
    yield Column(name="ending", shape=(capacity,), dtype=np.dtype(np.uint8))
    yield Column(name="successor", shape=(capacity,), dtype=np.dtype(np.int64))


def allocate(column: Column) -> Array:
    """Zeros: in every column, zero is the value of a row never written. Memory is taken as rows are written."""
    return np.zeros(column.shape, column.dtype)
