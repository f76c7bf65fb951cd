"""Steps of an episode, gathered into chunks."""

import itertools
from collections.abc import Iterator, Mapping

import numpy as np

from distrib_l2r.spaces import Box, Spaces
from distrib_l2r.tensor import Array
from distrib_l2r.trajectory import Ending, Purpose, TrajectoryChunk
from worker_service.columns import PRIVILEGED, column_boxes
from worker_service.episode import EpisodeRecord


def chunk_bytes(spaces: Spaces, chunk_length: int) -> int:
    """What the columns of a full chunk take, in memory as on the wire."""
    row = sum(box.low.size * box.dtype.itemsize for box in spaces.observation.values())
    action = spaces.action.low.size * spaces.action.dtype.itemsize
    return (chunk_length + 1) * row + chunk_length * (action + np.dtype(np.float32).itemsize)


class ChunkBuilder:
    """One episode at a time; whoever adds steps seals before the chunk would overflow.

    Args:
        spaces: of the run.
        chunk_length: most steps of a chunk.
        purpose: of every chunk.
        episode_ids: names the episodes; shared by the builders of a session, and 1, 2, 3, ... if not given.
    """

    def __init__(
        self, spaces: Spaces, *, chunk_length: int, purpose: Purpose, episode_ids: Iterator[int] | None = None
    ) -> None:
        self._chunk_length = chunk_length
        self._purpose = purpose
        self._spaces = spaces
        # Bytes of each row: to copy an array so takes less than half as long as to write it into a larger one.
        self._states: dict[str, list[bytes]] = {name: [] for name in column_boxes(spaces)}
        self._columns = [(name, rows.append) for name, rows in self._states.items()]
        self._action: list[bytes] = []
        self._reward: list[float] = []
        self._episode_ids = itertools.count(1) if episode_ids is None else episode_ids
        self._mirror_of = 0
        self.episode_id = 0
        """Of the episode begun last."""
        self._first_step = 0
        self._episode_return = 0.0
        self.policy_version = 0
        """The version that chose the gathered actions."""

    @property
    def length(self) -> int:
        """Steps gathered since the last chunk."""
        return len(self._reward)

    @property
    def full(self) -> bool:
        """Whether the chunk must be sealed before a step is added."""
        return len(self._reward) == self._chunk_length

    def begin_episode(self, observation: Mapping[str, Array], policy_version: int, mirror_of: int = 0) -> None:
        """Starts an episode at its first observation; steps not sealed are gone."""
        self.episode_id = next(self._episode_ids)
        self._mirror_of = mirror_of
        self._first_step = 0
        self._episode_return = 0.0
        self.policy_version = policy_version
        self._action.clear()
        self._reward.clear()
        for name, rows in self._states.items():
            rows[:] = [observation[name].tobytes()]

    def add(self, action: Array, reward: float, observation: Mapping[str, Array]) -> None:
        """Adds a step: the action, its reward, and the observation it led to, all in their boxes' shapes and dtypes."""
        self._action.append(action.tobytes())
        self._reward.append(reward)
        for name, append in self._columns:
            append(observation[name].tobytes())

    def seal(
        self,
        ending: Ending,
        *,
        next_policy_version: int,
        record: EpisodeRecord,
        abort_reason: str = "",
        simulator_restarts: int = 0,
    ) -> TrajectoryChunk:
        """Takes the gathered steps, at least one, as a chunk.

        Args:
            ending: of the last of these steps.
            next_policy_version: chooses the actions of the chunk that follows.
            record: of the episode; a chunk that ends it carries its summary.
            abort_reason: why the simulator failed, where it did.
            simulator_restarts: how often the simulator has been made anew.
        """
        first_step = self._first_step
        self._first_step += len(self._reward)
        reward = np.array(self._reward, np.float32)
        self._episode_return += sum(reward.tolist())
        summary = None
        if ending is not Ending.CONTINUES:
            summary = record.summary(
                length=self._first_step, episode_return=self._episode_return, abort_reason=abort_reason
            )
        spaces, states = self._spaces, self._states
        chunk = TrajectoryChunk(
            episode_id=self.episode_id,
            first_step=first_step,
            policy_version=self.policy_version,
            purpose=self._purpose,
            observation={name: _column(states[name], box) for name, box in spaces.observation.items()},
            privileged={name: _column(states[PRIVILEGED + name], box) for name, box in spaces.privileged.items()},
            action=_column(self._action, spaces.action),
            reward=reward,
            ending=ending,
            summary=summary,
            simulator_restarts=simulator_restarts,
            mirror_of=self._mirror_of,
        )
        for rows in states.values():
            del rows[:-1]
        self._action.clear()
        self._reward.clear()
        self.policy_version = next_policy_version
        return chunk


def _column(rows: list[bytes], box: Box) -> Array:
    """The rows as an array [rows, ...], which cannot be written to."""
    column: Array = np.ndarray((len(rows), *box.shape), box.dtype, b"".join(rows))
    return column
