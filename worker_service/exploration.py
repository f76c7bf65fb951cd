"""Exploration: noise for the policy's noise input."""

import numpy as np
import numpy.typing as npt


class HeldNoise:
    """Standard normal draws, scaled, each held for some steps: correlated noise reaches farther than white noise."""

    def __init__(self, size: int, *, scale: float, hold_steps: int, seed: int) -> None:
        self._scale = scale
        self._hold_steps = hold_steps
        self._random = np.random.default_rng(seed)
        self._noise = np.zeros(size, np.float32)
        self._steps_left = 0

    def next(self) -> npt.NDArray[np.float32]:
        """The noise of the next step, float32 [size]; the array changes at the next call."""
        if self._steps_left == 0:
            self._random.standard_normal(dtype=np.float32, out=self._noise)
            self._noise *= self._scale
            self._steps_left = self._hold_steps
        self._steps_left -= 1
        return self._noise
