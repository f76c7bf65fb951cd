"""Replay buffers of other libraries, full of random vectors, as far as they are installed."""

import importlib
from collections.abc import Callable

import numpy as np

ACTIONS = 2
DISCOUNT = 0.99


def stable_baselines3(rows: int, width: int, batch_size: int, n_step: int) -> Callable[[], object]:
    """Samples of stable-baselines3's n-step buffer: torch tensors, observations stored twice.

    Raises:
        ImportError: it is not installed.
    """
    from gymnasium.spaces import Box  # noqa: PLC0415
    from stable_baselines3.common.buffers import NStepReplayBuffer  # noqa: PLC0415

    box, action = Box(-1, 1, (width,), np.float32), Box(-1, 1, (ACTIONS,), np.float32)
    buffer = NStepReplayBuffer(rows, box, action, device="cpu", n_steps=n_step, gamma=DISCOUNT)
    random = np.random.default_rng(0)
    for column in (buffer.observations, buffer.next_observations, buffer.actions, buffer.rewards):
        random.random(column.shape, np.float32, out=column)
    buffer.full = True
    return lambda: buffer.sample(batch_size)


def torchrl(rows: int, width: int, batch_size: int, n_step: int) -> Callable[[], object]:
    """Samples of TorchRL's buffer of the same rows, n steps summed beforehand as its MultiStep transform does.

    Raises:
        ImportError: it is not installed.
    """
    import torch  # noqa: PLC0415

    del n_step
    data, tensordict = importlib.import_module("torchrl.data"), importlib.import_module("tensordict")
    buffer = data.TensorDictReplayBuffer(storage=data.LazyTensorStorage(rows), batch_size=batch_size)
    part = min(rows, 100_000)
    for _ in range(rows // part):
        columns = {
            "observation": torch.rand(part, width),
            "action": torch.rand(part, ACTIONS),
            ("next", "observation"): torch.rand(part, width),
            ("next", "reward"): torch.rand(part, 1),
            ("next", "done"): torch.zeros(part, 1, dtype=torch.bool),
        }
        buffer.extend(tensordict.TensorDict(columns, batch_size=[part]))
    sample: Callable[[], object] = buffer.sample
    return sample


PEERS = {"stable_baselines3": stable_baselines3, "torchrl": torchrl}
