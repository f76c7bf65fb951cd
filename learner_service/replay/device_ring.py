"""Replay on a torch device: samples are drawn where they are used."""

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np
import torch
from torch import Tensor

from distrib_l2r.tensor import Array
from learner_service.replay.device_batch import DeviceBatch, to_device
from learner_service.replay.n_step import NStepTransitions, Rows
from learner_service.replay.ring import ReplayRing
from learner_service.replay.sampling import Sampling

_SLICE_BYTES: Final = 32 * 1024 * 1024
"""That go over at a time, whether rows are numbers or images, which bounds the pinned memory of a transfer."""


class DeviceRing:
    """A copy of a ring's columns, in their own dtypes, with what n steps bring from each row.

    Nothing here waits for the device, and `sample` can be part of a CUDA graph: all its tensors stay where they are.
    One thread may use it.

    Args:
        ring: what it follows.
        sampling: batch size, n and discount.
        device: where the copy lies.
    """

    def __init__(self, ring: ReplayRing, sampling: Sampling, device: torch.device) -> None:
        self._ring = ring
        self._device = device
        self._batch_size = sampling.batch_size
        self._transitions = transitions = NStepTransitions(ring, sampling.n_step, sampling.discount)
        self._columns: Mapping[str, Array] = {
            **{f"observation/{name}": column for name, column in ring.observation.items()},
            **{f"privileged/{name}": column for name, column in ring.privileged.items()},
            "action": ring.action,
            "n_step_return": transitions.n_step_return,
            "bootstrap_discount": transitions.bootstrap_discount,
            "bootstrap_row": transitions.bootstrap_row,
        }
        self._copies = {name: self._zeros(column) for name, column in self._columns.items()}
        self._rows = self._zeros(transitions.rows)
        # Where the transitions held begin in `_rows`, and how many they are.
        self._held = torch.zeros(2, dtype=torch.int64, device=device)
        self.catch_up()

    @staticmethod
    def needed_bytes(ring: ReplayRing) -> int:
        """Device memory that a copy takes."""
        columns = (*ring.observation.values(), *ring.privileged.values(), ring.action)
        return sum(column.nbytes for column in columns) + 24 * ring.capacity

    def catch_up(self) -> None:
        """Copies what has changed since the last call; `sample` sees it from then on."""
        ring, transitions = self._ring, self._transitions
        with ring.lock:
            listed = transitions.end
            changed = transitions.catch_up()
            if changed is not None:
                added = np.arange(max(listed, transitions.end - ring.capacity), transitions.end) % ring.capacity
                self._copy(self._rows, transitions.rows, added)
                for name, column in self._columns.items():
                    self._copy(self._copies[name], column, changed)
            held = np.array([transitions.end - ring.transitions, ring.transitions])
        self._held.copy_(to_device(held, self._device), non_blocking=True)

    def sample(self, random: torch.Generator) -> DeviceBatch:
        """Transitions drawn uniformly with replacement; the ring must not have been empty at the last `catch_up`."""
        first, count = self._held
        # Float32 would not tell the rows of a large ring apart.
        uniform = torch.rand(self._batch_size, dtype=torch.float64, device=self._device, generator=random)
        places = (first + (uniform * count).long()) % len(self._rows)
        return self.gather(self._rows[places])

    def gather(self, rows: Tensor) -> DeviceBatch:
        """The transitions at given rows, int64 [B]."""
        copies = self._copies
        following = copies["bootstrap_row"][rows]

        def columns(kind: str, rows: Tensor) -> dict[str, Tensor]:
            start = f"{kind}/"
            return {name.removeprefix(start): copies[name][rows] for name in copies if name.startswith(start)}

        return DeviceBatch(
            observation=columns("observation", rows),
            privileged=columns("privileged", rows),
            action=copies["action"][rows],
            n_step_return=copies["n_step_return"][rows],
            bootstrap_discount=copies["bootstrap_discount"][rows],
            next_observation=columns("observation", following),
            next_privileged=columns("privileged", following),
        )

    def _zeros(self, column: Array) -> Tensor:
        return torch.zeros(column.shape, dtype=torch.from_numpy(column[:0]).dtype, device=self._device)

    def _copy(self, copy: Tensor, column: Array, rows: Rows) -> None:
        for part in _slices(rows, column[:1].nbytes):
            copy[to_device(part, self._device)] = to_device(column[part], self._device)


def _slices(rows: Rows, row_bytes: int) -> Iterator[Rows]:
    size = max(1, _SLICE_BYTES // row_bytes)
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
