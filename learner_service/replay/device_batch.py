"""A batch of n-step transitions on a torch device."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from distrib_l2r.tensor import Array
from learner_service.replay.batch import Batch


@dataclass(frozen=True, eq=False, kw_only=True)
class DeviceBatch:
    """`Batch` as tensors of one device."""

    observation: Mapping[str, Tensor]
    privileged: Mapping[str, Tensor]
    action: Tensor
    n_step_return: Tensor
    bootstrap_discount: Tensor
    next_observation: Mapping[str, Tensor]
    next_privileged: Mapping[str, Tensor]

    @classmethod
    def of(cls, batch: Batch, device: torch.device) -> Self:
        """The batch's own memory on the CPU, a copy under way elsewhere."""

        def columns(arrays: Mapping[str, Array]) -> dict[str, Tensor]:
            return {name: to_device(array, device) for name, array in arrays.items()}

        return cls(
            observation=columns(batch.observation),
            privileged=columns(batch.privileged),
            action=to_device(batch.action, device),
            n_step_return=to_device(batch.n_step_return, device),
            bootstrap_discount=to_device(batch.bootstrap_discount, device),
            next_observation=columns(batch.next_observation),
            next_privileged=columns(batch.next_privileged),
        )


def to_device(array: Array, device: torch.device) -> Tensor:
    """The array itself as a tensor on the CPU; elsewhere a copy, which nobody waits for."""
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    # Pinned: the array may be overwritten while the transfer still runs.
    return tensor if device.type == "cpu" else tensor.pin_memory().to(device, non_blocking=True)
