"""A call either returns in time or is given up, never both."""

import threading
import time

import pytest

from worker_service.deadline import CallExpiredError, DeadlineWatch


class Watched:
    """A watch, and the sentences it took over with."""

    def __init__(self) -> None:
        self.taken_over = threading.Event()
        self.sentences: list[str] = []
        self.watch = DeadlineWatch(self._take_over)
        self.watch.start()

    def _take_over(self, sentence: str) -> None:
        self.sentences.append(sentence)
        self.taken_over.set()


def test_calls_in_time_return_and_raise_as_ever() -> None:
    watched = Watched()
    assert watched.watch.call("adding", 10, lambda a, b: a + b, 1, 2) == 3
    with pytest.raises(ValueError, match="invalid literal"):
        watched.watch.call("looking", 10, int, "nothing")
    watched.watch.close()
    assert not watched.sentences


def test_a_call_that_returns_too_late_has_no_result() -> None:
    watched = Watched()
    with pytest.raises(CallExpiredError, match=r"step returned after its deadline of 0\.05 s"):
        watched.watch.call("step", 0.05, watched.taken_over.wait, 10)
    assert watched.sentences == ["step did not return within 0.05 s"]


def test_a_call_that_raises_too_late_is_late() -> None:
    watched = Watched()

    def fail() -> None:
        watched.taken_over.wait(10)
        raise ConnectionError

    with pytest.raises(CallExpiredError):
        watched.watch.call("step", 0.05, fail)


def test_many_calls_that_end_about_when_their_deadline_does_are_each_decided_once() -> None:
    for _ in range(20):
        watched = Watched()
        try:
            watched.watch.call("step", 0.01, time.sleep, 0.01)
        except CallExpiredError:
            assert watched.sentences
        else:
            watched.watch.close()
            assert not watched.sentences


def test_hastening_shortens_the_call_under_way_and_all_later_ones() -> None:
    watched = Watched()
    started = threading.Event()

    def last() -> None:
        started.set()
        watched.taken_over.wait(20)

    def hasten() -> None:
        started.wait(10)
        watched.watch.hasten(0.05)

    hastener = threading.Thread(target=hasten, name="hastener")
    hastener.start()
    with pytest.raises(CallExpiredError):
        watched.watch.call("step", 3600, last)
    hastener.join()
    assert watched.sentences == ["step did not return within 0.05 s"]
