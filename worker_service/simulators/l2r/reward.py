"""Learn-to-Race's rewards."""

from collections.abc import Callable
from typing import Final, TypeAlias

OUT_OF_BOUNDS_LEAST: Final = 25.0
OUT_OF_BOUNDS_PER_SPEED: Final = 5.0
CENTRE_METRES: Final = 1.0
CENTRE_BONUS: Final = 1.0

RewardFunction: TypeAlias = Callable[[int, float, float, bool], float]
"""Of points of progress, speed [m/s], distance to the centre line [m], and whether the car is out of bounds."""


def gran_turismo(points: int, speed: float, centre_metres: float, out_of_bounds: bool) -> float:
    """Points of the centre line that the step brought, less 25 or five times the speed when out of bounds.

    Over the start line the points count the shorter way, in either direction; the published client pays a car that
    backs over it nearly a lap's worth. (Fuchs et al., RA-L 2021, https://arxiv.org/abs/2008.07971, as l2r has it)
    """
    penalty = max(OUT_OF_BOUNDS_LEAST, OUT_OF_BOUNDS_PER_SPEED * speed) if out_of_bounds else 0.0
    return points - penalty


def centred(points: int, speed: float, centre_metres: float, out_of_bounds: bool) -> float:
    """The same, and one more for a step forwards that ends less than a metre from the centre line."""
    bonus = CENTRE_BONUS if points > 0 and centre_metres < CENTRE_METRES else 0.0
    return gran_turismo(points, speed, centre_metres, out_of_bounds) + bonus


REWARDS: Final[dict[str, RewardFunction]] = {"GranTurismo": gran_turismo, "CustomReward": centred}
"""By the names they have in Learn-to-Race."""
