"""Fixtures that tests of several folders share."""

from collections.abc import Iterator

import pytest

from distrib_l2r.policy import PolicyGraph
from distrib_l2r.spaces import Spaces
from learner_service import kept_graph
from learner_service.actor_export import export_actor
from tests.fakes import SPACES, LinearActor


@pytest.fixture(scope="session")
def fake_actor_exported_once() -> Iterator[None]:
    """Exporting takes a second, and the fake actor's graph is the same in every learner: one export serves all."""
    graph = export_actor(LinearActor(), SPACES)

    def export(actor: object, spaces: Spaces) -> PolicyGraph:
        return graph if isinstance(actor, LinearActor) else export_actor(actor, spaces)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kept_graph, "export_actor", export)
        yield
