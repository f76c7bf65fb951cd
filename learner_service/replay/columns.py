"""The columns of replay: what a row holds."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from distrib_l2r.spaces import Spaces


@dataclass(frozen=True, kw_only=True)
class Column:
    """One array of the ring."""

    name: str
    """Unique in the ring, such as `observation/camera`."""
    shape: tuple[int, ...]
    """Of one row."""
    dtype: np.dtype[Any]
    """Of its elements."""
    of_states: bool = False
    """Whether a chunk of T steps brings T + 1 values, before and after each step, rather than T."""

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return self.dtype.itemsize * int(np.prod(self.shape, dtype=np.int64))


def ring_columns(spaces: Spaces) -> tuple[Column, ...]:
    """Every column that chunks in these spaces bring, always in the same order."""
    states = {f"observation/{name}": box for name, box in spaces.observation.items()}
    states |= {f"privileged/{name}": box for name, box in spaces.privileged.items()}
    return (
        *(Column(name=name, shape=box.shape, dtype=box.dtype, of_states=True) for name, box in states.items()),
        Column(name="action", shape=spaces.action.shape, dtype=spaces.action.dtype),
        Column(name="reward", shape=(), dtype=np.dtype(np.float32)),
    )
