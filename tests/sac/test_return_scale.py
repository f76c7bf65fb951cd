import numpy as np
import pytest

from distrib_l2r.tensor import Array
from learner_service.sac.return_scale import LARGEST_DECLINE, LARGEST_GROWTH, ReturnScale


def returns(*values: float) -> Array:
    return np.array(values, np.float32)


def test_the_first_returns_set_the_scale_so_that_the_largest_lies_at_its_place() -> None:
    scale = ReturnScale(place=2.5)
    scale.add(returns(-50, 3, 20))
    assert np.abs(returns(-50, 3, 20) / scale.value).max() == pytest.approx(2.5)


def test_later_returns_move_it_by_small_steps_only() -> None:
    scale = ReturnScale(place=1)
    scale.add(returns(1))
    scale.add(returns(1000))
    assert scale.value == pytest.approx(LARGEST_GROWTH)
    scale.add(returns(1e-3))
    assert scale.value == pytest.approx(LARGEST_GROWTH * LARGEST_DECLINE)


def test_it_reaches_what_lasts() -> None:
    scale = ReturnScale(place=1)
    scale.add(returns(1))
    for _ in range(50):
        scale.add(returns(-1000))
    assert scale.value == pytest.approx(1000)


def test_returns_of_nothing_leave_it_unset() -> None:
    scale = ReturnScale(place=1)
    scale.add(returns(0, 0))
    assert scale.value == 1
    scale.add(returns(1e-3))
    assert scale.value == pytest.approx(1e-3)
