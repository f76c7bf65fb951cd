"""Replay on a device against the sampler, on whatever device there is."""

from dataclasses import fields

import numpy as np
import pytest
import torch

from distrib_l2r.trajectory import Ending
from learner_service.replay import device_ring as module
from learner_service.replay.batch import Batch
from learner_service.replay.device_batch import DeviceBatch
from learner_service.replay.device_ring import DeviceRing
from learner_service.replay.ring import ReplayRing
from learner_service.replay.sampling import Sampling
from tests.replay.builders import SPACES, marked_chunk, plain_chunk, sampler_of, transition_rows
from tests.replay.test_replay_against_oracle import Drivers, Push

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def assert_same(on_device: DeviceBatch, batch: Batch) -> None:
    for field in fields(Batch):
        tensors, arrays = getattr(on_device, field.name), getattr(batch, field.name)
        if isinstance(tensors, torch.Tensor):
            tensors, arrays = {"": tensors}, {"": arrays}
        assert tensors.keys() == arrays.keys()
        for name, tensor in tensors.items():
            array = tensor.cpu().numpy()
            assert array.dtype == arrays[name].dtype
            np.testing.assert_array_equal(array, arrays[name])


@pytest.mark.parametrize("seed", range(8))
def test_every_transition_equals_the_sampler_s(seed: int) -> None:
    random = np.random.default_rng(seed)
    capacity, n_step = int(random.integers(20, 80)), int(random.integers(1, 7))
    ring, drivers = ReplayRing(SPACES, capacity=capacity), Drivers()
    device_ring = DeviceRing(ring, Sampling(batch_size=4, n_step=n_step, discount=0.5), DEVICE)
    for _ in range(40):
        for _ in range(int(random.integers(1, 4))):
            ending = Ending(random.choice([1, 1, 1, 1, 2, 3, 4]))
            length = int(random.integers(1, 9))
            drivers.push(Push(int(random.integers(2)), int(random.integers(2)), length, ending, 0), ring)
        rows = transition_rows(ring)
        device_ring.catch_up()
        sampler = sampler_of(ring, batch_size=len(rows), n_step=n_step, discount=0.5)
        assert_same(device_ring.gather(torch.from_numpy(rows).to(DEVICE)), sampler.gather(rows))


@pytest.mark.parametrize("slice_bytes", [module._SLICE_BYTES, 100, 1])
def test_a_ring_that_was_there_before_is_copied(slice_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SLICE_BYTES", slice_bytes)
    ring = ReplayRing(SPACES, capacity=50)
    for episode in range(20):
        ring.add(1, marked_chunk(10 * episode + np.arange(8), np.arange(7), episode_id=episode))
    rows = transition_rows(ring)
    copy = DeviceRing(ring, Sampling(batch_size=4, n_step=3, discount=0.9), DEVICE)
    expected = sampler_of(ring, batch_size=len(rows), n_step=3).gather(rows)
    assert_same(copy.gather(torch.from_numpy(rows).to(DEVICE)), expected)


def test_every_transition_held_is_drawn_equally_often() -> None:
    ring = ReplayRing(SPACES, capacity=60)
    device_ring = DeviceRing(ring, Sampling(batch_size=5000, n_step=2, discount=0.9), DEVICE)
    for mark in range(0, 300, 6):
        length = 1 + mark % 5
        ring.add(1, marked_chunk(mark + np.arange(length + 1), np.zeros(length), episode_id=mark))
    device_ring.catch_up()
    marks = device_ring.sample(torch.Generator(DEVICE).manual_seed(0)).observation["pose"][:, 0]
    drawn, counts = np.unique(marks.cpu().numpy(), return_counts=True)
    assert set(drawn.tolist()) == set(ring.observation["pose"][transition_rows(ring), 0].tolist())
    expected = 5000 / ring.transitions
    chi_square, degrees = float(((counts - expected) ** 2 / expected).sum()), ring.transitions - 1
    assert abs(chi_square - degrees) < 5 * np.sqrt(2 * degrees)


def test_device_memory_is_what_the_copies_take() -> None:
    ring = ReplayRing(SPACES, capacity=100)
    ring.add(1, plain_chunk(3))
    device_ring = DeviceRing(ring, Sampling(batch_size=4), DEVICE)
    taken = sum(copy.nbytes for copy in (*device_ring._copies.values(), device_ring._rows))
    assert taken == DeviceRing.needed_bytes(ring)
