"""Fixtures: schemas read once, and the metrics of a learner that has seen everything."""

import functools
from collections.abc import Iterator
from dataclasses import replace

import pytest
from kubernetes_validate import utils as kubernetes_validate
from prometheus_client.samples import Sample

from distrib_l2r.trajectory import Ending, EpisodeSummary, Lap, Purpose
from distrib_l2r.v1 import join_pb2
from learner_service import AsyncLearningNode
from learner_service.config import StorageConfig, TransportConfig
from tests.bare_client import BareClient, chunk_request, eventually
from tests.fakes import CountingPolicy
from tests.learner.settings import CONFIG
from tests.scrape import families


@pytest.fixture(scope="session", autouse=True)
def schemas_are_read_once() -> Iterator[None]:
    """The library reads megabytes of definitions anew for each manifest."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kubernetes_validate, "schema_contents", functools.cache(kubernetes_validate.schema_contents))
        yield


@pytest.fixture(scope="session")
def exposed(fake_actor_exported_once: None, tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    """Every sample of a real learner that has trained, been evaluated over laps, and written a checkpoint."""
    folder = tmp_path_factory.mktemp("exposed")
    config = replace(
        CONFIG,
        run_dir=folder / "run",
        storage=StorageConfig(checkpoint_period_seconds=0.05, replay_dir=folder / "replay"),
        transport=TransportConfig(port=0, metrics_address="127.0.0.1:0"),
    )
    with AsyncLearningNode(CountingPolicy(), config) as node, BareClient(node.address) as client:
        stream = client.open(client.header())
        stream.send_training(20)
        with BareClient(node.address, "evaluator") as evaluator:
            evaluator.join(role=join_pb2.ROLE_EVALUATE)
            summary = EpisodeSummary(
                length=4, episode_return=7.0, laps=(Lap(number=1, time_seconds=45.5),), laps_started=1
            )
            lap = chunk_request(1, purpose=Purpose.EVALUATION, ending=Ending.TERMINATED, summary=summary)
            evaluator.push(evaluator.header(), lap)
        found: list[Sample] = []

        def complete() -> bool:
            found[:] = [sample for family in families(node.metrics_address) for sample in family.samples]
            return {"l2r_checkpoint_age_seconds", "l2r_trainer_metric"} <= {sample.name for sample in found}

        eventually(complete, "a checkpoint and the trainer's figures show")
        stream.send(None)
    return found
