"""A learner on port 0 and a client of it."""

from collections.abc import Iterator

import pytest

from learner_service import AsyncLearningNode
from tests.bare_client import BareClient
from tests.fakes import CountingPolicy
from tests.learner.settings import CONFIG


@pytest.fixture
def learner(fake_actor_exported_once: None) -> Iterator[AsyncLearningNode]:
    with AsyncLearningNode(CountingPolicy(), CONFIG) as node:
        yield node


@pytest.fixture
def client(learner: AsyncLearningNode) -> Iterator[BareClient]:
    with BareClient(learner.address) as bare:
        yield bare
