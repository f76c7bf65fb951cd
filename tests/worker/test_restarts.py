"""Restarts are counted across processes, and come more slowly the more there are."""

import pytest

from worker_service.backoff import FIRST_SECONDS, LONGEST_SECONDS
from worker_service.restarts import VARIABLE, Restarts


def test_counts_are_handed_on_to_the_process_that_follows() -> None:
    environ: dict[str, str] = {}
    first = Restarts(environ)
    for _ in range(3):
        assert 0 < first.add() <= LONGEST_SECONDS + FIRST_SECONDS
    first.hand_on()
    assert environ == {VARIABLE: "3 3"}
    second = Restarts(environ)
    assert second.total == 3
    second.add()
    second.hand_on()
    assert environ == {VARIABLE: "4 4"}, "in a row, so that the pauses go on growing"


def test_pauses_grow_with_restarts_in_a_row() -> None:
    few = [Restarts({VARIABLE: "0 0"}).add() for _ in range(50)]
    many = [Restarts({VARIABLE: "9000 9000"}).add() for _ in range(50)]
    assert max(few) <= 1.5 * FIRST_SECONDS
    assert max(many) > 10 * max(few)


def test_a_variable_that_somebody_else_set_is_refused_with_the_remedy() -> None:
    with pytest.raises(ValueError, match=f"{VARIABLE} is 'many'; it is two whole numbers: unset it"):
        Restarts({VARIABLE: "many"})
