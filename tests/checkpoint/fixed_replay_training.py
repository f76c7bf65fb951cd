"""Training on a replay that does not change, here or in a process that goes on from a checkpoint.

`python -m tests.checkpoint.fixed_replay_training DIRECTORY KIND UPDATES` goes on from the newest checkpoint of the
directory and writes another there.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from distrib_l2r.spaces import Spaces
from distrib_l2r.trajectory import Ending, EpisodeSummary, Purpose, TrajectoryChunk
from learner_service.checkpoint import CheckpointDirectory, copy_state
from learner_service.replay.ring import ReplayRing
from learner_service.replay.sampler import Sampler
from learner_service.sac import SAC
from learner_service.trainer import CALIBRATION_HORIZON_STEPS, CALIBRATION_PERIOD_UPDATES, CALIBRATION_ROWS
from tests.sac.builders import camera_spaces, column, image_spaces, small_config

CHUNK_STEPS = 64


class FixedReplayTraining:
    """A policy, its sampler and their replay; what the trainer does, without its thread.

    Args:
        kind: of critic; or "images", encoded by convolutions.
        seed: of everything but the replay.
    """

    def __init__(self, kind: str, seed: int) -> None:
        # Step sizes fall within the test, and every second update leaves the actor alone.
        spaces = image_spaces() if kind == "images" else camera_spaces()
        critic = "categorical" if kind == "images" else kind
        config = small_config(critic=critic, learning_rate_decay_updates=100, policy_delay=2)
        self.policy = SAC(spaces, config, seed)
        self.sampler = Sampler(_replay(spaces), self.policy.sampling, seed=seed)
        self.updates = 0

    def go_on(self, updates: int) -> None:
        for _ in range(updates):
            if self.updates % CALIBRATION_PERIOD_UPDATES == 0:
                self.policy.calibrate(*self.sampler.discounted_returns(CALIBRATION_ROWS, CALIBRATION_HORIZON_STEPS))
            self.policy.update(self.sampler.sample())
            self.updates += 1

    def state_dict(self) -> dict[str, Any]:
        return {"policy": self.policy.state_dict(), "sampler": self.sampler.state_dict(), "updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.policy.load_state_dict(state["policy"])
        self.sampler.load_state_dict(state["sampler"])
        self.updates = state["updates"]

    def everything(self) -> dict[str, Any]:
        """The state, and what shows outside; a copy."""
        outside = {"metrics": self.policy.metrics(), "actor": self.policy.actor.state_dict()}
        everything: dict[str, Any] = copy_state({**self.state_dict(), **outside})
        return everything


def _replay(spaces: Spaces) -> ReplayRing:
    ring = ReplayRing(spaces, capacity=4000)
    random = np.random.default_rng(0)
    for episode in range(20):
        ring.add(1, _episode(spaces, episode, random))
    return ring


def _episode(spaces: Spaces, episode: int, random: np.random.Generator) -> TrajectoryChunk:
    action = spaces.action
    return TrajectoryChunk(
        episode_id=episode,
        first_step=0,
        policy_version=1,
        purpose=Purpose.TRAINING,
        observation={name: column(box, CHUNK_STEPS + 1, random) for name, box in spaces.observation.items()},
        privileged={name: column(box, CHUNK_STEPS + 1, random) for name, box in spaces.privileged.items()},
        action=random.uniform(action.low, action.high, (CHUNK_STEPS, *action.shape)).astype(action.dtype),
        reward=random.standard_normal(CHUNK_STEPS).astype(np.float32),
        ending=Ending.TERMINATED if episode % 2 else Ending.TRUNCATED,
        summary=EpisodeSummary(length=CHUNK_STEPS, episode_return=0.0),
    )


def main(path: Path, kind: str, updates: int) -> None:
    directory = CheckpointDirectory(path)
    checkpoint = directory.newest()
    assert checkpoint is not None
    training = FixedReplayTraining(kind, seed=99)
    training.load_state_dict(checkpoint.state)
    training.go_on(updates)
    directory.write(training.everything(), {})


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
