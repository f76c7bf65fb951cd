"""Small stand-ins that obey the real interfaces."""

import threading
import time
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
import torch
from torch import Tensor, nn

from distrib_l2r.spaces import Box, Spaces
from distrib_l2r.tensor import Array
from learner_service.replay.batch import Batch
from learner_service.replay.sampling import Sampling

OBSERVATION_SIZE = 3
ACTION_SIZE = 2
SPACES = Spaces(
    observation={
        "observation": Box(low=np.full(OBSERVATION_SIZE, -np.inf, "f4"), high=np.full(OBSERVATION_SIZE, np.inf, "f4"))
    },
    action=Box(low=np.full(ACTION_SIZE, -1, "f4"), high=np.full(ACTION_SIZE, 1, "f4")),
)


class LinearActor(nn.Module):
    """One matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(OBSERVATION_SIZE, ACTION_SIZE)

    def forward(self, observation: dict[str, Tensor], noise: Tensor) -> Tensor:
        # onnxruntime's tanh reaches 1.0000001.
        return torch.tanh(self.linear(observation["observation"]) + noise).clamp(-1, 1)


class CountingPolicy:
    """An algorithm that learns nothing: each update adds 1 to the actor's bias, and waits until its gate is open."""

    def __init__(self, *, gate: threading.Event | None = None, fail_at_update: int | None = None) -> None:
        self.spaces = SPACES
        self.sampling = Sampling(batch_size=8, n_step=1)
        self.actor = LinearActor()
        self.updates = 0
        self._gate = gate
        self._fail_at_update = fail_at_update

    def calibrate(self, observation: Mapping[str, Array], discounted_return: Array) -> None:
        assert len(observation["observation"]) == len(discounted_return)

    def update(self, batch: Batch) -> None:
        self.updates += 1
        if self.updates == self._fail_at_update:
            raise ArithmeticError("the planted failure")
        if self._gate is not None:
            assert self._gate.wait(60), "the test never opened the gate"
        with torch.no_grad():
            self.actor.linear.bias.add_(1)

    def metrics(self) -> Mapping[str, float]:
        return {"updates": float(self.updates)}

    def state_dict(self) -> dict[str, Any]:
        return {"actor": self.actor.state_dict(), "updates": self.updates}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.actor.load_state_dict(state["actor"])
        self.updates = state["updates"]


class CountingEnvironment(gymnasium.Env[Array, Array]):
    """Each observation tells its step and episode, so that every row can be recognised wherever it ends up.

    Observation: step, episode, seed; reward: the step reached. Episodes are `length` steps, cut by time.
    """

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (OBSERVATION_SIZE,), np.float32)
    action_space = gymnasium.spaces.Box(-1, 1, (ACTION_SIZE,), np.float32)

    def __init__(self, length: int = 10, step_seconds: float = 0.0) -> None:
        self._length = length
        self._step_seconds = step_seconds
        self._step = self._episode = self._seed = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        super().reset(seed=seed)
        self._seed = seed if seed is not None else self._seed
        self._step = 0
        self._episode += 1
        return self._observation(), {}

    def step(self, action: Array) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action), action
        time.sleep(self._step_seconds)
        self._step += 1
        reward = float(self._step)
        last = self._step == self._length
        info: dict[str, Any] = {}
        if last:
            info["lap"] = {"number": 1, "time_seconds": 12.5, "sector_times_seconds": (5.0, 7.5)}
            info["metrics"] = {"laps_started": 2.0, "distance_metres": 100.0}
        return self._observation(), reward, False, last, info

    def _observation(self) -> Array:
        return np.array([self._step, self._episode, self._seed], np.float32)


class HangingEnvironment(CountingEnvironment):
    """Its first step says so and never returns."""

    def step(self, action: Array) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        print("the planted hang", flush=True)
        time.sleep(3600)
        return super().step(action)


for name in ("Counting", "Hanging"):
    gymnasium.register(f"{name}-v0", f"tests.fakes:{name}Environment", disable_env_checker=True)
