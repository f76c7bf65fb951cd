"""Mirrored pairs: two episodes from one seed, the second with the noise of the first negated."""

import numpy as np

from worker_service.exploration import HeldNoise

SEED_BOUND = 2**31
"""Of seeds for simulators, many of which take no longer ones."""


class Mirror:
    """The pairs of one environment: which seed is next, and whether with the noise's other sign.

    The difference between both shows what the noise was worth: whatever else happened, happened to both.

    Args:
        seed: of the pairs' seeds.
    """

    def __init__(self, seed: int) -> None:
        self._seeds = np.random.default_rng(seed)
        self._seed = 0
        self._first_id = 0
        self._mirrored = False
        self.in_pair = False
        """Whether an episode of a pair is under way, or its mirror image is to come."""

    def next(self, noise: HeldNoise, factor: float) -> tuple[int, int]:
        """Sets the noise for the episode to come.

        Args:
            noise: that explores.
            factor: on it, above 0.

        Returns:
            Its seed, and the episode that it mirrors, 0 for the first of a pair.
        """
        self._mirrored = self._first_id > 0
        if not self._mirrored:
            self._seed = int(self._seeds.integers(SEED_BOUND))
        self.in_pair = True
        noise.restart(self._seed, factor=-factor if self._mirrored else factor)
        return self._seed, self._first_id

    def ended(self, episode_id: int) -> None:
        """The episode under way came to its end."""
        if self.in_pair:
            self._first_id = 0 if self._mirrored else episode_id
            self.in_pair = not self._mirrored

    def broken(self) -> None:
        """The episode under way, if any, was broken off: nothing will mirror it."""
        self._first_id, self.in_pair = 0, False
