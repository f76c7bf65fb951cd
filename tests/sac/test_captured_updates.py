"""Updates from replay on a device, and their capture in a CUDA graph."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch

from distrib_l2r.spaces import Spaces
from distrib_l2r.tensor import Array
from distrib_l2r.trajectory import Ending, Purpose, TrajectoryChunk
from learner_service.replay.batch import Batch
from learner_service.replay.device_batch import DeviceBatch
from learner_service.replay.device_ring import DeviceRing
from learner_service.replay.ring import ReplayRing
from learner_service.sac.captured_updates import CapturedUpdates, captured_updates
from learner_service.sac.sac import SAC
from tests.sac.builders import camera_spaces, column, image_spaces, random_batch, small_config
from tests.sac.test_sac import assert_same

needs_cuda = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="no CUDA device here: graphs of updates are NOT tested against eager ones"
)


def ring_of(spaces: Spaces, chunks: int = 4) -> ReplayRing:
    ring = ReplayRing(spaces, capacity=400)
    for number in range(chunks):
        ring.add(1, chunk_of(spaces, number))
    return ring


def chunk_of(spaces: Spaces, number: int) -> TrajectoryChunk:
    random = np.random.default_rng(number)
    action = spaces.action
    return TrajectoryChunk(
        episode_id=number,
        first_step=0,
        policy_version=1,
        purpose=Purpose.TRAINING,
        observation={name: column(box, 33, random) for name, box in spaces.observation.items()},
        privileged={name: column(box, 33, random) for name, box in spaces.privileged.items()},
        action=random.uniform(action.low, action.high, (32, *action.shape)).astype(action.dtype),
        reward=random.standard_normal(32).astype(np.float32),
        ending=Ending.TERMINATED,
    )


def as_arrays(batch: DeviceBatch) -> Batch:
    def columns(tensors: Mapping[str, torch.Tensor]) -> dict[str, Array]:
        return {name: tensor.numpy() for name, tensor in tensors.items()}

    return Batch(
        observation=columns(batch.observation),
        privileged=columns(batch.privileged),
        action=batch.action.numpy(),
        n_step_return=batch.n_step_return.numpy(),
        bootstrap_discount=batch.bootstrap_discount.numpy(),
        next_observation=columns(batch.next_observation),
        next_privileged=columns(batch.next_privileged),
    )


@pytest.mark.parametrize("spaces", [camera_spaces(), image_spaces()], ids=["numbers", "images"])
def test_an_update_from_replay_on_the_device_is_that_from_the_same_batch(spaces: Spaces) -> None:
    # Statistics of privileged columns are taken from batches of arrays alone.
    config = small_config(n_step=3, observation_normalisation=False)
    ring = DeviceRing(ring_of(spaces), SAC(spaces, config).sampling, torch.device("cpu"))
    one, other = SAC(spaces, config, seed=1), SAC(spaces, config, seed=1)
    for _ in range(5):
        one.update_from(ring)
        # Draws what the first drew, and goes on from there.
        other.update(as_arrays(ring.sample(other.random)))
    assert_same(one.state_dict(), other.state_dict())


def test_updates_elsewhere_than_on_a_gpu_are_not_captured() -> None:
    spaces = camera_spaces()
    sac = SAC(spaces, small_config())
    with pytest.raises(ValueError, match="the policy is on cpu; only updates on a CUDA device can be captured"):
        CapturedUpdates(sac, DeviceRing(ring_of(spaces), sac.sampling, sac.device))


def test_updates_that_encode_images_are_not_captured(caplog: pytest.LogCaptureFixture) -> None:
    spaces = image_spaces()
    sac, ring = SAC(spaces, small_config()), ring_of(spaces)
    with pytest.raises(ValueError, match="the policy encodes images; its updates cannot be captured"):
        CapturedUpdates(sac, DeviceRing(ring, sac.sampling, sac.device))
    # Decided before any CUDA device is asked for anything.
    sac.device = torch.device("cuda")
    assert captured_updates(sac, ring) is None
    assert "the policy encodes images: updates are made one operation after the other" in caplog.text


@needs_cuda
def test_images_are_learned_from_on_a_gpu_as_on_a_cpu() -> None:
    spaces = image_spaces()
    sac = SAC(spaces, small_config(device="cuda"), seed=1)
    assert sac.actor.encoder is not None
    before = [weight.clone() for weight in sac.actor.encoder.parameters()]
    ring = DeviceRing(ring_of(spaces), sac.sampling, sac.device)
    for _ in range(3):
        sac.update(random_batch(spaces, 8))
        sac.update_from(ring)
    assert all(not torch.equal(old, new) for old, new in zip(before, sac.actor.encoder.parameters(), strict=True))
    assert all(np.isfinite(value) for value in sac.metrics().values())


@needs_cuda
@pytest.mark.parametrize("critic", ["categorical", "quantile", "mean_squared"])
def test_a_graph_s_updates_are_those_one_by_one(critic: str) -> None:
    spaces = camera_spaces()
    config = small_config(
        critic=critic, device="cuda", policy_delay=3, n_step=3, learning_rate_decay_updates=20, gradient_clip=1.0
    )
    eager, captured = SAC(spaces, config, seed=1), SAC(spaces, config, seed=1)
    rings = [ring_of(spaces), ring_of(spaces)]
    device_rings = [DeviceRing(ring, eager.sampling, eager.device) for ring in rings]
    updates, made = CapturedUpdates(captured, device_rings[1]), 0
    for run in range(4):
        device_rings[0].catch_up()
        count = updates.run()
        eager.calibrate_privileged(device_rings[0], count)
        for _ in range(count):
            eager.update_from(device_rings[0])
        made += count
        # What arrives between two replays is sampled by the next.
        for ring in rings:
            ring.add(1, chunk_of(spaces, 10 + run))
    assert made == 5 * updates.count
    torch.cuda.synchronize()
    for one, other in zip(eager.state_dict()["actor"].values(), captured.state_dict()["actor"].values(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    one, other = eager.metrics(), captured.metrics()
    assert one.keys() == other.keys()
    for name in one:
        assert one[name] == pytest.approx(other[name], rel=1e-3, abs=1e-4)
