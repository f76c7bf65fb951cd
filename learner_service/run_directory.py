"""The run's files: progress and evaluations as lines of JSON, the best and the newest policy."""

import errno
import hashlib
import json
import logging
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from distrib_l2r.environment import decode_arguments
from distrib_l2r.policy import PolicyGraph, PolicyVersion
from distrib_l2r.v1 import join_pb2, status_pb2
from learner_service.evaluation import UNTAKEN_EVALUATIONS, Evaluation
from learner_service.replace_file import replace_file
from learner_service.run import Run

_logger = logging.getLogger(__name__)


class RunDirectory:
    """Written by one thread.

    Every method may raise OSError, as on a full disk: nothing is left half-written then, and the next call goes on.
    """

    def __init__(self, path: Path, run: Run) -> None:
        self._path = path
        self._run = run
        self._saved_best: PolicyVersion | None = None
        self._unwritten: deque[Evaluation] = deque(maxlen=UNTAKEN_EVALUATIONS)
        path.mkdir(parents=True, exist_ok=True)

    def record(self, status: status_pb2.RunStatus) -> None:
        """Appends a line to progress.jsonl."""
        figures = {
            name: getattr(status, name)
            for name in (
                "training_seconds",
                "transitions",
                "transitions_in_replay",
                "updates",
                "policy_version",
                "samples_per_insert",
                "transitions_per_second",
                "updates_per_second",
                "flow_state_seconds",
                "flow_detail",
                "laps_clean",
                "laps_total",
            )
        }
        flow_state = status_pb2.FlowState.Name(status.flow_state).removeprefix("FLOW_STATE_").lower()
        trainer = {metric.name: metric.value for metric in status.trainer_metrics}
        line = {"wall_seconds": self._run.wall_seconds, **figures, "flow_state": flow_state, "trainer": trainer}
        self._append("progress.jsonl", line)

    def save_results(self) -> None:
        """Writes evaluations completed since the last call, and the best policy if there is a new one."""
        self._unwritten.extend(self._run.evaluations.take_complete())
        while self._unwritten:
            self._append("evaluations.jsonl", evaluation_figures(self._unwritten[0]))
            self._unwritten.popleft()
        best = self._run.best_policy
        if best is not None and best[0] is not self._saved_best:
            self._save_policy("best", *best)
            self._saved_best = best[0]

    def save_newest(self) -> None:
        """Writes the newest policy."""
        newest = self._run.training.store.newest if self._run.training else None
        if newest is not None:
            self._save_policy("newest", newest, None)

    def _append(self, name: str, line: Mapping[str, Any]) -> None:
        content = (json.dumps(line) + "\n").encode()
        with (self._path / name).open("ab", buffering=0) as file:
            before = file.tell()
            try:
                written = file.write(content)
                if written != len(content):
                    raise OSError(errno.ENOSPC, "No space left on device", str(self._path / name))
            except OSError:
                # Half a line would spoil the next one, too.
                file.truncate(before)
                raise

    def _save_policy(self, name: str, policy: PolicyVersion, evaluation: Evaluation | None) -> None:
        training = self._run.training
        assert training is not None, "a policy version implies training"
        save_policy(
            self._path / name,
            training.store.graph,
            policy,
            {
                "run_id": self._run.run_id,
                "environment": environment_figures(self._run.environment),
                "evaluation_seed": self._run.config.seed,
                "evaluation": evaluation_figures(evaluation) if evaluation else None,
            },
        )


def save_policy(path: Path, graph: PolicyGraph, policy: PolicyVersion, about: Mapping[str, Any]) -> None:
    """Writes graph.onnx, weights.safetensors and policy.json into the directory `path`, each replaced atomically.

    policy.json comes last and holds the checksums of the others: a reader who comes in between can tell.
    """
    path.mkdir(parents=True, exist_ok=True)
    weights = save({name: np.ascontiguousarray(array) for name, array in policy.weights.items()})
    facts = {
        "policy_version": policy.version,
        "training_step": policy.training_step,
        "graph_fingerprint": policy.graph_fingerprint,
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        **about,
    }
    replace_file(path / "graph.onnx", graph.onnx)
    replace_file(path / "weights.safetensors", weights)
    replace_file(path / "policy.json", (json.dumps(facts, indent=2) + "\n").encode())


def evaluation_figures(evaluation: Evaluation) -> dict[str, Any]:
    """An evaluation as JSON has it: field names of the message, null where absent."""
    message = evaluation.message()
    figures = {field.name: getattr(message, field.name) for field in message.DESCRIPTOR.fields}
    for name in ("best_lap_seconds", "median_lap_seconds", "clean_fraction"):
        if not message.HasField(name):
            figures[name] = None
    return figures


def environment_figures(environment: join_pb2.Environment) -> dict[str, Any]:
    """An environment as JSON has it."""
    return {
        "id": environment.id,
        "arguments": decode_arguments(environment.arguments),
        "evaluation_arguments": decode_arguments(environment.evaluation_arguments),
    }
