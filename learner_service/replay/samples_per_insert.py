"""The balance of replay: how many samples the trainer draws for each transition that workers add."""

import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

from learner_service.replay.flow import Flow, FlowState

UNLIMITED: Final = 2**62
"""The allowance where nothing holds workers back."""

SLACK_UPDATES: Final = 128
"""Workers may run ahead of the minimum by what this many updates entitle them to, or more; see SamplesPerInsert."""

RECOVERY_SECONDS: Final = 1.0
"""The trainer must have been free to update for this long before STARVED ends."""


class SamplesPerInsert:
    """Keeps samples per insert between a minimum and a maximum, and says which side waits.

    samples per insert = batch_size * updates / transitions inserted since `min_transitions` was reached, or since the
    last `change`. The warm-up's transitions do not count: otherwise they would owe the trainer a burst of updates on
    little data.

    The trainer may update while one update more does not exceed the maximum; the check is exact. Workers may be ahead
    of the minimum by `slack` transitions: the largest of a tenth of min_transitions, 4 batches, and what SLACK_UPDATES
    updates are worth at the minimum. At that point they are throttled, until updates have halved their lead. Chunks
    in flight still count when they arrive, so the lead may exceed the slack by them. Since the slack is a constant
    number of transitions, its effect on the ratio vanishes as a run goes on, and since half of it is worth many updates
    at the maximum, the trainer is free to update while workers are throttled: the two sides never wait for each other.

    The state is STARVED from the moment the trainer may not update until it has been free to for RECOVERY_SECONDS, so
    that it does not change with every chunk.

    Threads: any thread may call any method. One lock guards the counts and is never held while a callback runs.
    """

    def __init__(
        self,
        *,
        batch_size: int,
        minimum: float,
        maximum: float,
        min_transitions: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """A balance at its beginning.

        Args:
            batch_size: samples an update draws.
            minimum: least samples per insert; 0 never throttles workers.
            maximum: most samples per insert; infinity never makes the trainer wait after the warm-up.
            min_transitions: transitions inserted before the first update.
            clock: monotonic seconds.

        Raises:
            ValueError: a number is out of range.
        """
        _check(batch_size, minimum, maximum)
        if min_transitions < 1:
            raise ValueError(f"min_transitions is {min_transitions}; it must be at least 1")
        self.on_change: Callable[[], None] = lambda: None
        """Called after each change of `flow().state`, on the thread that caused it; `flow()` tells what holds now."""
        self._batch_size = batch_size
        self._minimum = minimum
        self._maximum = maximum
        self._first_bounds = minimum, maximum
        self._min_transitions = self._counted_from = min_transitions
        self._slack = self._least_slack()
        self._clock = clock
        self._update_possible = threading.Condition()
        self._inserted = 0
        self._updates = 0
        self._waited_seconds = 0.0
        self._waits_since: float | None = None
        self._closed = False
        self._could_update = False
        self._state = FlowState.STARVED
        self._changed_at = self._starved_at = clock()

    @property
    def slack(self) -> int:
        """Transitions by which workers may be ahead of the minimum."""
        return self._slack

    @property
    def samples_per_insert(self) -> float:
        """The ratio now; 0 until a transition counts."""
        with self._update_possible:
            return self._ratio()

    @property
    def waited_seconds(self) -> float:
        """For which `await_update` has made its caller wait, the wait under way included."""
        with self._update_possible:
            under_way = self._clock() - self._waits_since if self._waits_since is not None else 0.0
            return self._waited_seconds + under_way

    @property
    def state(self) -> FlowState:
        """Which side waits, if any."""
        return self._state

    def insert(self, count: int) -> None:
        """Counts transitions that entered replay."""
        with self._update_possible:
            self._inserted += count
            changed = self._refresh()
            if self._may_update():
                self._update_possible.notify_all()
        if changed:
            self.on_change()

    def await_update(self, timeout_seconds: float, ready: Callable[[], bool] = lambda: True) -> bool:
        """Waits until one update may run; for one thread at a time.

        Args:
            timeout_seconds: longest wait.
            ready: what must hold besides; asked again after each insertion.

        Returns:
            Whether it may; False after the timeout and once closed.
        """
        with self._update_possible:

            def possible() -> bool:
                return self._closed or (self._may_update() and ready())

            if not possible():
                self._waits_since = since = self._clock()
                self._update_possible.wait_for(possible, timeout_seconds)
                self._waited_seconds += self._clock() - since
                self._waits_since = None
            return not self._closed and possible()

    def updated(self, count: int = 1) -> None:
        """Counts updates that ran."""
        with self._update_possible:
            self._updates += count
            changed = self._refresh()
        if changed:
            self.on_change()

    def allowance(self) -> int:
        """Transitions that workers may add now: 0 while throttled, UNLIMITED during the warm-up and without minimum."""
        with self._update_possible:
            if self._minimum == 0 or self._inserted < self._min_transitions:
                return UNLIMITED
            if self._state is FlowState.THROTTLED:
                return 0
            return max(1, self._slack - math.ceil(self._lead()))

    def beyond_slack(self) -> int:
        """Transitions that workers have added beyond the point at which they are throttled."""
        with self._update_possible:
            return max(0, math.ceil(self._lead()) - self._slack) if self._minimum else 0

    @property
    def bounds(self) -> tuple[float, float]:
        """Least and most samples per insert now."""
        with self._update_possible:
            return self._minimum, self._maximum

    def change(self, *, batch_size: int, bounds: tuple[float, float] | None) -> None:
        """Keeps other bounds from now on, and counts anew: what came and what was drawn so far no longer matters.

        Args:
            batch_size: samples an update draws.
            bounds: least and most samples per insert; None: those of the beginning.

        Raises:
            ValueError: a number is out of range.
        """
        minimum, maximum = bounds or self._first_bounds
        _check(batch_size, minimum, maximum)
        with self._update_possible:
            self._batch_size, self._minimum, self._maximum = batch_size, minimum, maximum
            self._slack = self._least_slack()
            self._counted_from, self._updates = max(self._inserted, self._min_transitions), 0
            changed = self._refresh()
        if changed:
            self.on_change()

    def flow(self) -> Flow:
        """Which side waits, since when, and the numbers."""
        with self._update_possible:
            return Flow(state=self._state, since_seconds=self._clock() - self._changed_at, detail=self._detail())

    def close(self) -> None:
        """Wakes whoever awaits an update, and lets none begin from now on."""
        with self._update_possible:
            self._closed = True
            self._update_possible.notify_all()

    def state_dict(self) -> dict[str, int]:
        """The counts, to go on from later."""
        with self._update_possible:
            return {"inserted": self._inserted, "updates": self._updates}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Goes on from the counts of `state`; replay must hold its transitions again."""
        with self._update_possible:
            self._inserted, self._updates = state["inserted"], state["updates"]
            changed = self._refresh()
            self._update_possible.notify_all()
        if changed:
            self.on_change()

    def _least_slack(self) -> int:
        updates = SLACK_UPDATES * self._batch_size / self._minimum if self._minimum else 0
        return math.ceil(max(self._min_transitions / 10, 4 * self._batch_size, updates))

    def _counted(self) -> int:
        return max(0, self._inserted - self._counted_from)

    def _ratio(self) -> float:
        counted = self._counted()
        return self._batch_size * self._updates / counted if counted else 0.0

    def _lead(self) -> float:
        """Transitions by which workers are ahead of the minimum."""
        return self._counted() - self._batch_size * self._updates / self._minimum

    def _may_update(self) -> bool:
        if self._inserted < self._min_transitions:
            return False
        # 0 * infinity is not a number.
        if math.isinf(self._maximum):
            return True
        return self._batch_size * (self._updates + 1) <= self._maximum * self._counted()

    def _throttles(self) -> bool:
        if self._minimum == 0 or self._inserted < self._min_transitions:
            return False
        threshold = self._slack / 2 if self._state is FlowState.THROTTLED else self._slack
        return self._lead() >= threshold

    def _refresh(self) -> bool:
        """Brings the state up to date; whether it changed."""
        now = self._clock()
        may_update = self._may_update()
        # Not free at the last look: it waited until now.
        if not (may_update and self._could_update):
            self._starved_at = now
        self._could_update = may_update
        if self._throttles():
            state = FlowState.THROTTLED
        elif not may_update or (self._state is FlowState.STARVED and now - self._starved_at < RECOVERY_SECONDS):
            state = FlowState.STARVED
        else:
            state = FlowState.HEALTHY
        changed = state is not self._state
        if changed:
            self._state, self._changed_at = state, now
        return changed

    def _detail(self) -> str:
        if self._inserted < self._min_transitions:
            return (
                f"trainer waits: {self._inserted} of the {self._min_transitions} transitions are there "
                "that the first update needs"
            )
        ratio = f"samples per insert {self._ratio():.1f}"
        if self._state is FlowState.STARVED:
            return f"trainer waits: {ratio} is at its maximum {self._maximum:.1f}; more workers would help"
        if self._state is FlowState.THROTTLED:
            return (
                f"workers wait: {ratio} is at its minimum {self._minimum:.1f}, {self._lead():.0f} transitions ahead "
                f"of a slack of {self._slack}; fewer workers would do"
            )
        return f"neither side waits: {ratio}, minimum {self._minimum:.1f}, maximum {self._maximum:.1f}"


def _check(batch_size: int, minimum: float, maximum: float) -> None:
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; it must be at least 1")
    if not (0 <= minimum <= maximum and maximum > 0 and math.isfinite(minimum)):
        raise ValueError(
            f"minimum is {minimum} and maximum is {maximum} samples per insert; "
            "they must satisfy 0 <= minimum <= maximum, minimum be finite and maximum be above 0"
        )
