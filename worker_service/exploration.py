"""Exploration: noise for the policy's noise input."""

import numpy as np
import numpy.typing as npt


class HeldNoise:
    """Standard normal draws, scaled, each held for some steps: correlated noise reaches farther than white noise.

    Attributes:
        values: float32 [size], of the step to come; zeros before the first call of `advance`.
    """

    def __init__(self, size: int, *, scale: float, hold_steps: int, seed: int) -> None:
        self.values: npt.NDArray[np.float32] = np.zeros(size, np.float32)
        self._scale = scale
        self._hold_steps = hold_steps
        self._random = np.random.default_rng(seed)
        self._steps_left = 0

    def advance(self) -> bool:
        """Goes on to the next step; whether that changed `values`."""
        changed = self._steps_left == 0
        if changed:
            self._random.standard_normal(dtype=np.float32, out=self.values)
            self.values *= self._scale
            self._steps_left = self._hold_steps
        self._steps_left -= 1
        return changed
