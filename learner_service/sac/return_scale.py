"""The unit in which critics count returns."""

import numpy as np

from distrib_l2r.tensor import Array

LARGEST_GROWTH = 1.2
"""Factor by which one sample may raise the scale."""
LARGEST_DECLINE = 0.99
"""Factor by which one sample may lower it."""


class ReturnScale:
    """Divides rewards so that the largest discounted return comes to lie at `place`.

    Every change of scale makes all values wrong by its factor at once, until the critic has learned the new unit.
    Hence small steps, upwards faster than downwards: returns beyond the bins are the greater harm.

    Args:
        place: where the largest return lies after scaling, with room above for values not yet reached.
    """

    def __init__(self, place: float) -> None:
        self.value = 1.0
        self._place = place
        self._begun = False

    def add(self, discounted_return: Array) -> None:
        """Takes in a sample of discounted returns, float32 [N]."""
        wanted = float(np.abs(discounted_return).max(initial=0.0)) / self._place
        if wanted == 0:
            return
        if self._begun:
            wanted = float(np.clip(wanted, self.value * LARGEST_DECLINE, self.value * LARGEST_GROWTH))
        self.value = wanted
        self._begun = True

    def state_dict(self) -> dict[str, float | bool]:
        """All of it."""
        return {"value": self.value, "begun": self._begun}

    def load_state_dict(self, state: dict[str, float | bool]) -> None:
        """Takes up a state."""
        self.value = float(state["value"])
        self._begun = bool(state["begun"])
