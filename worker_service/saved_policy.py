"""A policy that a run saved, read back: graph, weights, and the environment they drive."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.numpy import load

from distrib_l2r.policy import PolicyGraph, PolicyVersion


class DriveError(ValueError):
    """A policy cannot be driven as asked; the message says why, and what would do."""


@dataclass(frozen=True, kw_only=True)
class SavedPolicy:
    """A policy folder, read."""

    graph: PolicyGraph
    version: PolicyVersion
    run_id: str | None
    """Of the run that made it; None where the folder does not say."""
    environment_id: str
    arguments: Mapping[str, Any]
    """Of the environment, as evaluations have them."""
    evaluation_seed: int
    """Of the first evaluation episode; the next took the numbers after it."""
    evaluation_episodes: int
    """Episodes of this policy's evaluation; 1 where there was none."""
    evaluated_lap_seconds: float | None
    """Fastest lap of this policy's evaluation; None where there was none."""

    @property
    def environment_name(self) -> str:
        """The environment's id without the module that registers it."""
        return self.environment_id.rpartition(":")[2]


def load_policy(folder: Path) -> SavedPolicy:
    """The policy in `folder`.

    Raises:
        DriveError: a file is missing or damaged, or graph and weights do not belong together.
    """
    try:
        weights = (folder / "weights.safetensors").read_bytes()
        about = json.loads((folder / "policy.json").read_text())
        graph = PolicyGraph(onnx=(folder / "graph.onnx").read_bytes())
        version = PolicyVersion(
            version=about["policy_version"],
            training_step=about["training_step"],
            graph_fingerprint=about["graph_fingerprint"],
            weights=load(weights),
        )
        environment = about["environment"]
        evaluation = about["evaluation"] or {}
        saved = SavedPolicy(
            graph=graph,
            version=version,
            run_id=about.get("run_id"),
            environment_id=environment["id"],
            arguments={**environment["arguments"], **environment["evaluation_arguments"]},
            evaluation_seed=about.get("evaluation_seed", 0),
            evaluation_episodes=evaluation.get("episodes", 1),
            evaluated_lap_seconds=evaluation.get("best_lap_seconds"),
        )
    except (OSError, KeyError, TypeError, json.JSONDecodeError, SafetensorError) as error:
        raise DriveError(
            f"{folder} is no policy ({type(error).__name__}: {error}); it must hold graph.onnx, weights.safetensors "
            "and policy.json as a run's best and newest do"
        ) from error
    checksums = {
        "graph.onnx": (version.graph_fingerprint, graph.fingerprint),
        "weights.safetensors": (about.get("weights_sha256"), hashlib.sha256(weights).hexdigest()),
    }
    for name, (expected, found) in checksums.items():
        if expected != found:
            raise DriveError(
                f"{folder}/{name} has SHA-256 {found}, policy.json is about {expected}: read it again if a run is just "
                "writing it, else copy the folder as a whole"
            )
    return saved
