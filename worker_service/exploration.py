"""Exploration: noise for the policy's noise input."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

BLOCK_DRAWS: Final = 64
"""Drawn at once: each call for a few numbers costs as much as for many."""


class HeldNoise:
    """Standard normal draws, scaled, each held for some steps: correlated noise reaches farther than white noise.

    Attributes:
        values: float32 [size], of the step to come; zeros before the first call of `advance`.
    """

    def __init__(self, size: int, *, scale: float, hold_steps: int, seed: int) -> None:
        self.values: npt.NDArray[np.float32] = np.zeros(size, np.float32)
        self._scale = self._factor = scale
        self._hold_steps = hold_steps
        self._random = np.random.default_rng(seed)
        self._draws: Iterator[npt.NDArray[np.float32]] = iter(())
        self._steps_left = 0

    def restart(self, seed: int, *, factor: float) -> None:
        """Begins anew from a seed; every draw is multiplied by a factor besides, which may be negative."""
        self._random = np.random.default_rng(seed)
        self._factor = self._scale * factor
        self._draws = iter(())
        self._steps_left = 0

    def advance(self) -> bool:
        """Goes on to the next step; whether that changed `values`."""
        if self._steps_left:
            self._steps_left -= 1
            return False
        values = next(self._draws, None)
        if values is None:
            block = self._random.standard_normal((BLOCK_DRAWS, len(self.values)), dtype=np.float32)
            self._draws = iter(block * np.float32(self._factor))
            values = next(self._draws)
        self.values = values
        self._steps_left = self._hold_steps - 1
        return True
