"""Numbers beside the picture that are appended to its latent."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from distrib_l2r.tensor import Array


@dataclass(frozen=True, kw_only=True)
class Appended:
    """A column of the observation, or one element of it.

    Attributes:
        column: its name.
        element: index into the flat column; None appends all.
        factor: brings the numbers to about one.
    """

    column: str
    element: int | None = None
    factor: float = 1.0

    @classmethod
    def parse(cls, text: str, factor: float = 1.0) -> Self:
        """Of NAME or NAME:ELEMENT, such as speed or observation:0."""
        column, colon, element = text.rpartition(":")
        if colon and element.isdecimal():
            return cls(column=column, element=int(element), factor=factor)
        return cls(column=text, factor=factor)

    def __str__(self) -> str:
        return self.column if self.element is None else f"{self.column}:{self.element}"

    def size(self, shapes: Mapping[str, tuple[int, ...]]) -> int | None:
        """How many numbers, of columns of these shapes; None where they have no such."""
        if self.column not in shapes:
            return None
        count = int(np.prod(shapes[self.column]))
        if self.element is None:
            return count
        return 1 if self.element < count else None

    def of(self, observation: Mapping[str, Array]) -> NDArray[np.float32]:
        """float32 [size] of an observation, by column."""
        numbers = np.asarray(observation[self.column], np.float32).reshape(-1)
        if self.element is not None:
            numbers = numbers[self.element : self.element + 1]
        return numbers * np.float32(self.factor)

    def of_recording(self, observation: Mapping[str, NDArray[Any]]) -> NDArray[np.float64] | None:
        """float64 [T, size] of a recording's columns, without the factor; None where they have no such."""
        if self.size({name: rows.shape[1:] for name, rows in observation.items()}) is None:
            return None
        rows = observation[self.column].reshape(len(observation[self.column]), -1).astype(np.float64)
        return rows if self.element is None else rows[:, self.element : self.element + 1]
