"""One environment of learning in process, and the chunk that it is filling."""

from typing import Any

import numpy as np

from distrib_l2r.spaces import Spaces
from distrib_l2r.tensor import Array
from distrib_l2r.trajectory import Ending, EpisodeSummary, Purpose, TrajectoryChunk
from worker_service.columns import PRIVILEGED, Environment, observation_columns
from worker_service.exploration import HeldNoise


class Collector:
    """One environment, and the chunk that it is filling."""

    def __init__(self, environment: Environment, spaces: Spaces, noise: HeldNoise, number: int, seed: int) -> None:
        self.environment = environment
        self.spaces = spaces
        self.noise = noise
        self.number = number
        self._episode = 1
        self._sequence = 1
        self.begin(seed)

    def begin(self, seed: int | None = None) -> None:
        """Starts an episode."""
        observation, _ = self.environment.reset(seed=seed)
        self._first_step = 0
        self._return = 0.0
        self._length = 0
        self._clear(observation_columns(observation))

    def _clear(self, columns: Any) -> None:
        self._rows = [columns]
        self._actions: list[Array] = []
        self._rewards: list[float] = []

    @property
    def observation(self) -> Any:
        """The newest."""
        return self._rows[-1]

    def step(self, action: Array, chunk_length: int) -> TrajectoryChunk | None:
        """Steps; returns a chunk when one is full or its episode ends."""
        observation, reward, terminated, truncated, _ = self.environment.step(action)
        columns = observation_columns(observation)
        self._rows.append(columns)
        self._actions.append(action)
        self._rewards.append(float(reward))
        self._return += float(reward)
        self._length += 1
        ending = Ending.TERMINATED if terminated else Ending.TRUNCATED if truncated else Ending.CONTINUES
        if ending is Ending.CONTINUES and len(self._rewards) < chunk_length:
            return None
        over = ending is not Ending.CONTINUES
        chunk = TrajectoryChunk(
            sequence=self._sequence,
            episode_id=self._episode,
            first_step=self._first_step,
            policy_version=1,
            purpose=Purpose.TRAINING,
            observation={
                name: np.stack([row[name] for row in self._rows]).astype(box.dtype)
                for name, box in self.spaces.observation.items()
            },
            privileged={
                name: np.stack([row[PRIVILEGED + name] for row in self._rows]).astype(box.dtype)
                for name, box in self.spaces.privileged.items()
            },
            action=np.stack(self._actions),
            reward=np.array(self._rewards, np.float32),
            ending=ending,
            summary=EpisodeSummary(length=self._length, episode_return=self._return) if over else None,
        )
        self._sequence += 1
        if over:
            self._episode += 1
            self.begin()
        else:
            self._first_step += chunk.length
            self._clear(columns)
        return chunk
