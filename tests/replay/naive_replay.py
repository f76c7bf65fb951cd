"""Replay as a list of chunks and loops over them: slow, and plain enough to be believed."""

from dataclasses import dataclass

from distrib_l2r.trajectory import Ending, TrajectoryChunk


@dataclass(kw_only=True)
class _Stored:
    position: int
    marks: list[float]
    rewards: list[float]
    ending: Ending
    next_step: int
    continuation: "_Stored | None" = None


@dataclass(frozen=True, kw_only=True)
class NaiveTransition:
    """One n-step transition; observations by their marks."""

    row: int
    mark: float
    n_step_return: float
    bootstrap_discount: float
    next_mark: float
    whole: bool
    """Whether all of its chunk is still held."""


class NaiveReplay:
    """Holds what `ReplayRing` of the same capacity holds."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._written = 0
        self._stored: list[_Stored] = []
        self._newest: dict[tuple[int, int], _Stored] = {}

    def add(self, session: int, chunk: TrajectoryChunk) -> None:
        stored = _Stored(
            position=self._written,
            marks=[float(mark) for mark in chunk.observation["pose"][:, 0]],
            rewards=[float(reward) for reward in chunk.reward],
            ending=chunk.ending,
            next_step=chunk.first_step + chunk.length,
        )
        before = self._newest.get((session, chunk.episode_id))
        if before is not None and before.ending is Ending.CONTINUES and before.next_step == chunk.first_step:
            before.continuation = stored
        self._newest[session, chunk.episode_id] = stored
        self._stored.append(stored)
        self._written += chunk.length + 1

    def forget(self, session: int) -> None:
        self._newest = {key: stored for key, stored in self._newest.items() if key[0] != session}

    def transitions(self, n_step: int, discount: float) -> list[NaiveTransition]:
        """Every transition held, by row."""
        found = [
            self._transition(stored, step, n_step, discount)
            for stored in self._stored
            for step in range(len(stored.rewards))
            if stored.position + step >= self._written - self._capacity
        ]
        return sorted(found, key=lambda transition: transition.row)

    def _transition(self, start: _Stored, first: int, n_step: int, discount: float) -> NaiveTransition:
        total, factor = 0.0, 1.0
        stored, step = start, first
        for _ in range(n_step):
            total += factor * stored.rewards[step]
            factor *= discount
            step += 1
            next_mark = stored.marks[step]
            if step == len(stored.rewards):
                if stored.ending is Ending.TERMINATED:
                    factor = 0.0
                if stored.continuation is None:
                    break
                stored, step = stored.continuation, 0
        return NaiveTransition(
            row=(start.position + first) % self._capacity,
            mark=start.marks[first],
            n_step_return=total,
            bootstrap_discount=factor,
            next_mark=next_mark,
            whole=start.position >= self._written - self._capacity,
        )
