"""A learner and a worker go over to mirrored pairs, and a learner that comes after goes on with them."""

import dataclasses
from pathlib import Path

import pytest

from learner_service import AsyncLearningNode
from learner_service.config import ExplorationConfig
from learner_service.mirrored.config import MirroredConfig
from learner_service.sac.sac import SAC
from learner_service.sac_then_mirrored import SACThenMirrored
from tests.bare_client import eventually
from tests.fakes import SPACES
from tests.sac.builders import small_config
from tests.worker.test_worker import CONFIG, working

AFTER = 250


def node_of(run_dir: Path) -> AsyncLearningNode:
    mirrored = MirroredConfig(mirrored_pairs=2, mirrored_tail_steps=2, mirrored_batch_size=16)
    sac = SAC(SPACES, small_config(), seed=0)
    policy = SACThenMirrored(sac, mirrored, after_updates=AFTER, seed=0)
    config = dataclasses.replace(
        CONFIG,
        mirrored=mirrored,
        run_dir=run_dir,
        exploration=ExplorationConfig(scales=(1.0,), hold_steps=(2,)),
    )
    node = AsyncLearningNode(policy, config)
    # A thousand steps a second are not to be had of every machine.
    policy.enough_data = lambda: True
    return node


def figures(node: AsyncLearningNode) -> dict[str, float]:
    return {metric.name: metric.value for metric in node.status().trainer_metrics}


@pytest.mark.slow
def test_learner_and_workers_change_to_mirrored_pairs_and_go_on_with_them_after_a_restart(tmp_path: Path) -> None:
    with node_of(tmp_path / "run") as node:
        training = node.run.training
        assert training is not None
        with working(node.address):
            eventually(lambda: node.status().updates >= AFTER, "SAC makes its updates", 60)
            eventually(lambda: "pairs" in figures(node), "pairs are learned from", 60)
            newest = training.store.newest
            assert newest is not None
            assert newest.mirrored_noise
            assert training.limiter.bounds == (0.0, 2.0)
            updates = node.status().updates
            eventually(lambda: node.status().updates >= updates + 30, "and go on to be", 60)
            # As many as the passes over what came, less what broke off: no update of SAC came between.
            assert node.status().samples_per_insert <= 2.1
        sac_updates = training.policy.sac.updates  # type: ignore[attr-defined]
        assert sac_updates == AFTER
    with node_of(tmp_path / "run") as node:
        training = node.run.training
        assert training is not None
        assert training.policy.sampling.mirrored_noise
        newest = training.store.newest
        assert newest is not None
        assert newest.mirrored_noise, "the first version already"
        updates = node.status().updates
        with working(node.address):
            eventually(lambda: node.status().updates >= updates + 30, "pairs are learned from again", 60)
        assert training.policy.sac.updates == sac_updates  # type: ignore[attr-defined]
