"""Mirrored pairs of episodes, put together from chunks as they arrive."""

import itertools
import threading
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from distrib_l2r.tensor import Array
from distrib_l2r.trajectory import Ending, TrajectoryChunk

MOST_STEPS_KEPT: Final = 500_000
"""In episodes whose pair is not complete; beyond that the oldest are forgotten."""
MOST_ITERATIONS_KEPT: Final = 3
"""Of complete pairs; beyond that the oldest are forgotten, since newer ones were driven by better policies."""


class EpisodeKey(NamedTuple):
    """Names an episode of the run."""

    session: int
    episode_id: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Pair:
    """Two episodes that mirror each other, as far as both were driven by one policy version.

    Each array has a leading dimension of two: first the episode, then its mirror image.
    """

    observation: Mapping[str, Array]
    """Each column [2, T, ...], before each step."""
    action: Array
    """[2, T, ...]."""
    reward: npt.NDArray[np.float32]
    """[2, S] with S >= T: the rewards of the longer one; after its end the other's are 0."""
    terminated: bool
    """Whether one of both was terminated at step T: what its steps changed later was seen to its end."""

    @property
    def length(self) -> int:
        """T."""
        return int(self.action.shape[1])


@dataclass(eq=False)
class _Episode:
    mirror_of: int
    chunks: list[TrajectoryChunk] = field(default_factory=list)
    length: int = 0


class EpisodePairs:
    """Gathers the chunks of episodes and gives out pairs. Thread-safe: the server adds, the trainer takes.

    Chunks of an episode come in their order; a gap, as a learner that was started anew sees, drops the episode.

    Args:
        wanted: pairs an iteration.
    """

    def __init__(self, wanted: int) -> None:
        self._wanted = wanted
        self._lock = threading.Lock()
        self._episodes: OrderedDict[EpisodeKey, _Episode] = OrderedDict()
        self._steps = 0
        self._complete: deque[tuple[_Episode, _Episode]] = deque(maxlen=MOST_ITERATIONS_KEPT * wanted)
        self.gathers = False
        """Whether pairs are wanted yet."""

    def add(self, session: int, chunk: TrajectoryChunk) -> None:
        """Takes in a training chunk of a session; its arrays must not change."""
        if not self.gathers:
            return
        key = EpisodeKey(session, chunk.episode_id)
        with self._lock:
            if chunk.first_step == 0:
                self._forget(key)
                self._episodes[key] = _Episode(chunk.mirror_of)
            episode = self._episodes.get(key)
            if episode is None:
                return
            if chunk.first_step != episode.length or chunk.ending is Ending.ABORTED:
                self._forget(key)
                return
            episode.chunks.append(chunk)
            episode.length += chunk.length
            self._steps += chunk.length
            if chunk.ending is not Ending.CONTINUES and episode.mirror_of:
                first_key = EpisodeKey(session, episode.mirror_of)
                first = self._episodes.get(first_key)
                if first is not None and first.chunks[-1].ending is not Ending.CONTINUES:
                    self._complete.append((first, episode))
                self._forget(first_key)
                self._forget(key)
            while self._steps > MOST_STEPS_KEPT:
                self._forget(next(iter(self._episodes)))

    @property
    def ready(self) -> bool:
        """Whether there are pairs for an iteration."""
        return len(self._complete) >= self._wanted

    def take(self) -> list[Pair]:
        """All complete pairs, the oldest first, but those whose first steps were driven by different versions."""
        with self._lock:
            complete = list(self._complete)
            self._complete.clear()
        # Here, on the trainer's thread: the server's has better things to do than to copy whole episodes.
        pairs = [join(first.chunks, second.chunks) for first, second in complete]
        return [pair for pair in pairs if pair is not None]

    def _forget(self, key: EpisodeKey) -> None:
        episode = self._episodes.pop(key, None)
        if episode is not None:
            self._steps -= episode.length


def join(first: list[TrajectoryChunk], second: list[TrajectoryChunk]) -> Pair | None:
    """The pair of two whole episodes; None where their first steps were driven by different versions."""
    version = first[0].policy_version
    if second[0].policy_version != version:
        return None
    sides = [_side(first, version), _side(second, version)]
    shorter, longer = sorted(sides, key=lambda side: (len(side.reward), not side.terminated))
    length = len(shorter.reward)
    # One that was terminated earns nothing any more, while the other goes on; otherwise both are cut where one is.
    reward = np.zeros((2, len(longer.reward) if shorter.terminated else length), np.float32)
    for row, side in zip(reward, sides, strict=True):
        seen = side.reward[: len(row)]
        row[: len(seen)] = seen
    return Pair(
        observation={
            name: np.stack([side.observation[name][:length] for side in sides]) for name in shorter.observation
        },
        action=np.stack([side.action[:length] for side in sides]),
        reward=reward,
        terminated=shorter.terminated,
    )


class _Side(NamedTuple):
    """One of a pair, as far as one version drove it."""

    observation: Mapping[str, Array]
    """Each column [T, ...], before each step."""
    action: Array
    reward: Array
    terminated: bool
    """At the last of these steps."""


def _side(chunks: list[TrajectoryChunk], version: int) -> _Side:
    used = list(itertools.takewhile(lambda chunk: chunk.policy_version == version, chunks))
    return _Side(
        observation={
            name: np.concatenate([chunk.observation[name][:-1] for chunk in used]) for name in used[0].observation
        },
        action=np.concatenate([chunk.action for chunk in used]),
        reward=np.concatenate([chunk.reward for chunk in used]),
        terminated=used[-1].ending is Ending.TERMINATED,
    )
