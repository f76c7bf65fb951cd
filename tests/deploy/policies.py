"""Saved policies of one matrix, as a learner writes them."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from distrib_l2r.policy import PolicyGraph, PolicyVersion
from learner_service import run_directory

Weights = NDArray[np.float32]


def linear_graph(observation_size: int, action_size: int, *, scale: float = 1.0) -> PolicyGraph:
    """An actor of one matrix: action = scale * tanh(observation @ weight + bias + noise)."""
    floats = TensorProto.FLOAT
    graph = helper.make_graph(
        nodes=[
            helper.make_node("MatMul", ["observation", "actor.weight"], ["turned"]),
            helper.make_node("Add", ["turned", "actor.bias"], ["mean"]),
            helper.make_node("Add", ["mean", "noise"], ["noisy"]),
            helper.make_node("Tanh", ["noisy"], ["squashed"]),
            helper.make_node("Mul", ["squashed", "scale"], ["action"]),
        ],
        name="actor",
        inputs=[
            helper.make_tensor_value_info("observation", floats, ["batch", observation_size]),
            helper.make_tensor_value_info("noise", floats, ["batch", action_size]),
            helper.make_tensor_value_info("actor.weight", floats, [observation_size, action_size]),
            helper.make_tensor_value_info("actor.bias", floats, [action_size]),
        ],
        outputs=[helper.make_tensor_value_info("action", floats, ["batch", action_size])],
        initializer=[helper.make_tensor("scale", floats, [], [scale])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return PolicyGraph(onnx=model.SerializeToString())


def save_policy(
    folder: Path,
    *,
    weight: Weights,
    bias: Weights,
    environment: str,
    evaluation_arguments: dict[str, Any] | None = None,
    scale: float = 1.0,
    best_lap_seconds: float | None = None,
) -> None:
    """Writes the three files of a policy into `folder`."""
    graph = linear_graph(*weight.shape, scale=scale)
    weights = {"actor.weight": weight, "actor.bias": bias}
    run_directory.save_policy(
        folder,
        graph,
        PolicyVersion(version=7, training_step=700, graph_fingerprint=graph.fingerprint, weights=weights),
        {
            "run_id": "test",
            "environment": {"id": environment, "arguments": {}, "evaluation_arguments": evaluation_arguments or {}},
            "evaluation": {"policy_version": 7, "mean_return": 1.0, "best_lap_seconds": best_lap_seconds},
        },
    )


def save_idle_pendulum(folder: Path) -> None:
    """A policy that never pushes the pendulum."""
    save_policy(folder, weight=np.zeros((3, 1), "f4"), bias=np.zeros(1, "f4"), environment="Pendulum-v1", scale=2.0)


def save_slow_driver(folder: Path, *, best_lap_seconds: float | None = None, laps: int = 1) -> None:
    """A policy that follows the centre line of kestrel at about 14 m/s."""
    weight = np.zeros((59, 2), "f4")
    # Observation: 0 offset, 1 sine of heading error, 3 speed / 50 m/s, 15 leftward part of the second look-ahead point.
    weight[[0, 1, 15], 0] = [-0.3, -1.0, 8.0]
    weight[3, 1] = -20.0
    save_policy(
        folder,
        weight=weight,
        bias=np.array([0.0, 20.0 * 14.0 / 50.0], "f4"),
        environment="worker_service.simulators.racetrack:Racetrack-v0",
        evaluation_arguments={"track": "kestrel", "start": "standing", "laps": laps},
        best_lap_seconds=best_lap_seconds,
    )
