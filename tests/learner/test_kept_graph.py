"""A kept graph serves only where it says what the actor says."""

from pathlib import Path

import pytest
import torch

from distrib_l2r.policy import PolicyGraph
from distrib_l2r.spaces import Spaces
from learner_service import kept_graph
from learner_service.actor_export import export_actor
from learner_service.kept_graph import policy_graph
from learner_service.sac.sac import SAC
from tests.fakes import SPACES, LinearActor
from tests.sac.builders import camera_spaces, image_spaces, small_config


class OtherActor(LinearActor):
    """Of the same weights, and yet of other actions."""

    def forward(self, observation: dict[str, torch.Tensor], noise: torch.Tensor) -> torch.Tensor:
        return super().forward(observation, noise) / 2


@pytest.fixture
def exports(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The actors exported."""
    done: list[object] = []

    def export(actor: torch.nn.Module, spaces: Spaces) -> PolicyGraph:
        done.append(actor)
        return export_actor(actor, spaces)

    monkeypatch.setattr(kept_graph, "export_actor", export)
    return done


def test_the_graph_of_an_actor_serves_again_with_other_weights(tmp_path: Path, exports: list[object]) -> None:
    graph = policy_graph(LinearActor(), SPACES, tmp_path / "graph.onnx")
    assert policy_graph(LinearActor(), SPACES, tmp_path / "graph.onnx") == graph
    assert len(exports) == 1


@pytest.mark.parametrize("spaces", [camera_spaces(), image_spaces()], ids=["flat", "convolutions"])
def test_sac_of_images_and_numbers_is_recognised(tmp_path: Path, exports: list[object], spaces: Spaces) -> None:
    for seed in (0, 1):
        sac = SAC(spaces, small_config(), seed=seed)
        policy_graph(sac.actor, sac.spaces, tmp_path / "graph.onnx")
    assert len(exports) == 1


def test_another_actor_is_exported_anew_even_with_the_same_weights(tmp_path: Path, exports: list[object]) -> None:
    first = policy_graph(LinearActor(), SPACES, tmp_path / "graph.onnx")
    second = policy_graph(OtherActor(), SPACES, tmp_path / "graph.onnx")
    assert second.fingerprint != first.fingerprint
    assert policy_graph(OtherActor(), SPACES, tmp_path / "graph.onnx") == second
    assert len(exports) == 2


@pytest.mark.parametrize("content", [b"", b"\x00\xff", b"half of"])
def test_a_damaged_file_is_exported_anew(tmp_path: Path, exports: list[object], content: bytes) -> None:
    kept = tmp_path / "graph.onnx"
    kept.write_bytes(content)
    assert policy_graph(LinearActor(), SPACES, kept).onnx == kept.read_bytes()
    assert len(exports) == 1
