"""The actor runs any graph of the contract, in place, one row or many."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from distrib_l2r.policy import PolicyGraph, PolicyVersion
from distrib_l2r.spaces import Box, Spaces
from distrib_l2r.tensor import Array
from worker_service.actor import Actor

SPACES = Spaces(
    observation={
        "camera": Box(low=np.zeros((2, 2), "u1"), high=np.full((2, 2), 255, "u1")),
        "fuel": Box(low=np.array(0.0, "f4"), high=np.array(1.0, "f4")),
    },
    action=Box(low=np.full(2, -1e6, "f8"), high=np.full(2, 1e6, "f8")),
)


def odd_graph(*, declared: bool) -> PolicyGraph:
    """Actions are scale * (the camera's columns' maxima + fuel + noise), float64, its shape declared or not."""
    nodes = [
        helper.make_node("Cast", ["camera"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["numbers", "axis"], ["brightest"], keepdims=0),
        helper.make_node("Unsqueeze", ["fuel", "axis"], ["fuels"]),
        helper.make_node("Add", ["brightest", "fuels"], ["sum"]),
        helper.make_node("Add", ["sum", "noise"], ["noisy"]),
        helper.make_node("Mul", ["noisy", "scale"], ["scaled"]),
        helper.make_node("Cast", ["scaled"], ["action"], to=TensorProto.DOUBLE),
    ]
    graph = helper.make_graph(
        nodes,
        "odd",
        [
            helper.make_tensor_value_info("camera", TensorProto.UINT8, ["batch", 2, 2]),
            helper.make_tensor_value_info("fuel", TensorProto.FLOAT, ["batch"]),
            helper.make_tensor_value_info("noise", TensorProto.FLOAT, ["batch", 2]),
            helper.make_tensor_value_info("scale", TensorProto.FLOAT, [2]),
        ],
        [helper.make_tensor_value_info("action", TensorProto.DOUBLE, ["batch", 2] if declared else ["some", "more"])],
        [helper.make_tensor("axis", TensorProto.INT64, [1], [1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    return PolicyGraph(onnx=model.SerializeToString())


def version(graph: PolicyGraph, number: int, scale: Array) -> PolicyVersion:
    return PolicyVersion(
        version=number, training_step=0, graph_fingerprint=graph.fingerprint, weights={"scale": scale.astype("f4")}
    )


@pytest.mark.parametrize("declared", [True, False])
def test_columns_of_any_type_and_shape_reach_the_graph(declared: bool) -> None:
    graph = odd_graph(declared=declared)
    actor = Actor(graph, SPACES)
    actor.load(version(graph, 3, np.array([1, -1])))
    camera = np.array([[1, 2], [30, 4]], "u1")
    action = actor.act({"camera": camera, "fuel": np.array(0.5, "f4")}, np.array([0, 100], "f4"))
    assert action.dtype == np.float64
    assert action.tolist() == [30.5, -104.5]
    assert (actor.policy_version, actor.noise_size) == (3, 2)
    # Without noise again, and the action handed out before stays as it was.
    assert actor.act({"camera": camera, "fuel": np.array(0.0, "f4")}).tolist() == [30.0, -4.0]
    assert action.tolist() == [30.5, -104.5]


def test_each_row_has_its_own_action() -> None:
    graph = odd_graph(declared=True)
    actor = Actor(graph, SPACES, rows=3)
    actor.load(version(graph, 1, np.array([1, 1])))
    for row in range(3):
        actor.observation["camera"][row] = row
        actor.observation["fuel"][row] = 0.25
        actor.noise[row] = [0, 10 * row]
    assert actor.run().tolist() == [[0.25, 0.25], [1.25, 11.25], [2.25, 22.25]]
    actor.observation["fuel"][1] = 0.5
    assert actor.run().tolist() == [[0.25, 0.25], [1.5, 11.5], [2.25, 22.25]]


def test_a_new_version_acts_from_then_on_and_what_it_came_in_may_change() -> None:
    graph = odd_graph(declared=True)
    actor = Actor(graph, SPACES)
    observation = {"camera": np.ones((2, 2), "u1"), "fuel": np.array(0.0, "f4")}
    actor.load(version(graph, 1, np.array([1, 1])))
    assert actor.act(observation).tolist() == [1, 1]
    newer = version(graph, 2, np.array([2, 3]))
    actor.load(newer)
    newer.weights["scale"][:] = 99
    assert (actor.act(observation).tolist(), actor.policy_version) == ([2, 3], 2)


def test_a_weight_that_changes_its_shape_is_refused() -> None:
    graph = odd_graph(declared=True)
    actor = Actor(graph, SPACES)
    actor.load(version(graph, 1, np.array([1, 1])))
    with pytest.raises(
        ValueError, match=r"weight 'scale' of policy version 2 is float32 \(1,\); it was float32 \(2,\)"
    ):
        actor.load(version(graph, 2, np.array([1])))
