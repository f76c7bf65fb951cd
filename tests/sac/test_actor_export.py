import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from distrib_l2r.policy import PolicyGraph
from distrib_l2r.spaces import Box, Spaces
from distrib_l2r.tensor import Array
from learner_service.actor_export import WEIGHT_PREFIX, actor_weights, export_actor
from learner_service.sac.actor import Actor
from tests.sac.builders import (
    box,
    camera_spaces,
    image_spaces,
    pixel_spaces,
    plain_spaces,
    random_batch,
    small_config,
)

# Each export takes a second.
pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def random_actor(spaces: Spaces, **settings: object) -> Actor:
    torch.manual_seed(0)
    actor = Actor(spaces, small_config(**settings))
    for tensor in actor.state_dict().values():
        tensor.copy_(torch.rand_like(tensor) + 0.1)
    return actor


def onnx_action(graph: PolicyGraph, actor: Actor, observation: dict[str, Array], noise: Array) -> Array:
    session = onnxruntime.InferenceSession(graph.onnx, providers=["CPUExecutionProvider"])
    (action,) = session.run(["action"], {**observation, "noise": noise, **actor_weights(actor)})
    return np.asarray(action)


@pytest.mark.parametrize("modern", [True, False])
@pytest.mark.parametrize(
    "spaces",
    [
        plain_spaces(),
        camera_spaces(),
        image_spaces(),
        pixel_spaces(),
        Spaces(
            observation={"a": box(dtype="bool", low=0, high=1), "b": box(2, dtype="float64")},
            action=box(2, 3, low=-2, high=5),
        ),
    ],
    ids=["plain", "camera", "images", "pixels", "odd"],
)
def test_the_graph_acts_as_the_actor_does(spaces: Spaces, modern: bool) -> None:
    activation = "silu" if modern else "relu"
    actor = random_actor(spaces, layer_norm=modern, observation_normalisation=modern, activation=activation)
    graph = export_actor(actor, spaces)
    for batch_size in (1, 7):
        observation = dict(random_batch(spaces, batch_size).observation)
        for scale in (0.0, 1.0):
            noise = scale * np.random.default_rng(0).standard_normal((batch_size, actor.action_size)).astype(np.float32)
            with torch.no_grad():
                columns = {name: torch.from_numpy(column) for name, column in observation.items()}
                expected = actor(columns, torch.from_numpy(noise)).numpy()
            action = onnx_action(graph, actor, observation, noise)
            assert (action.dtype, action.shape) == (spaces.action.dtype, (batch_size, *spaces.action.shape))
            np.testing.assert_allclose(action, expected, rtol=1e-4, atol=1e-5)
            assert (action >= spaces.action.low).all()
            assert (action <= spaces.action.high).all()


def test_actions_at_the_bounds_do_not_pass_them() -> None:
    spaces = Spaces(
        observation={"observation": box(3)}, action=Box(low=np.array([-0.1, 0.3]), high=np.array([0.7, 0.9]))
    )
    actor = random_actor(spaces)
    noise = np.array([[1e3, 1e3], [-1e3, -1e3]], np.float32)
    action = onnx_action(export_actor(actor, spaces), actor, {"observation": np.zeros((2, 3), np.float32)}, noise)
    np.testing.assert_allclose(action, [[0.7, 0.9], [-0.1, 0.3]], rtol=1e-12)
    assert (action >= spaces.action.low).all()
    assert (action <= spaces.action.high).all()


def test_inputs_and_outputs_are_those_of_the_contract() -> None:
    spaces = camera_spaces()
    actor = random_actor(spaces)
    model = onnx.load_from_string(export_actor(actor, spaces).onnx)
    onnx.checker.check_model(model, full_check=True)
    weights = actor_weights(actor)
    assert [entry.name for entry in model.graph.input] == ["camera", "speed", "lap", "noise", *weights]
    assert [entry.name for entry in model.graph.output] == ["action"]
    for entry in model.graph.input[:4]:
        assert entry.type.tensor_type.shape.dim[0].dim_param == "batch"
    for entry in model.graph.input[4:]:
        shape = tuple(dimension.dim_value for dimension in entry.type.tensor_type.shape.dim)
        assert shape == weights[entry.name].shape
    assert all(name.startswith(WEIGHT_PREFIX) for name in weights)
    assert {f"{WEIGHT_PREFIX}features.mean", f"{WEIGHT_PREFIX}features.inverse_deviation"} <= weights.keys()


def test_the_graph_is_small_and_holds_no_weights() -> None:
    spaces = plain_spaces(observation=60)
    actor = random_actor(spaces, actor_hidden_sizes=(128, 128))
    model = onnx.load_from_string(export_actor(actor, spaces).onnx)
    assert sum(np.prod(tensor.dims) for tensor in model.graph.initializer) < 200
    operations = [node.op_type for node in model.graph.node]
    assert operations.count("Gemm") == 3
    assert operations.count("LayerNormalization") == 2
    assert not {"Transpose", "Reshape", "MatMul"} & set(operations)
    assert len(operations) < 30


@pytest.mark.slow
def test_new_weights_need_no_new_graph() -> None:
    spaces = plain_spaces()
    actor = random_actor(spaces)
    graph = export_actor(actor, spaces)
    for tensor in actor.state_dict().values():
        tensor.mul_(-0.5)
    assert export_actor(actor, spaces).fingerprint == graph.fingerprint
    observation, noise = random_batch(spaces, 3).observation, np.ones((3, 2), np.float32)
    expected = actor({name: torch.from_numpy(column) for name, column in observation.items()}, torch.from_numpy(noise))
    np.testing.assert_allclose(onnx_action(graph, actor, dict(observation), noise), expected.detach(), atol=1e-5)


def test_weights_are_copies_and_exporting_changes_nothing() -> None:
    actor = random_actor(plain_spaces()).train()
    weights = actor_weights(actor)
    export_actor(actor, plain_spaces())
    assert actor.training
    for name, tensor in actor.state_dict().items():
        weight = weights[WEIGHT_PREFIX + name]
        np.testing.assert_array_equal(weight, tensor)
        assert weight.flags.c_contiguous
        tensor.fill_(7)
        assert not (weight == 7).any()


@pytest.mark.slow
def test_another_process_exports_the_same_bytes() -> None:
    program = (
        "from tests.sac.test_actor_export import random_actor, camera_spaces, export_actor;"
        "print(export_actor(random_actor(camera_spaces()), camera_spaces()).fingerprint)"
    )
    elsewhere = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'protos'}", "PYTHONHASHSEED": "12345", "OMP_NUM_THREADS": "1"},
    )
    spaces = camera_spaces()
    assert elsewhere.stdout.strip() == export_actor(random_actor(spaces), spaces).fingerprint


def test_the_graph_takes_images_as_they_are_and_convolves_them_with_its_inputs() -> None:
    spaces = image_spaces()
    actor = random_actor(spaces)
    model = onnx.load_from_string(export_actor(actor, spaces).onnx)
    camera = model.graph.input[0]
    assert camera.name == "camera"
    assert camera.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert [dimension.dim_value for dimension in camera.type.tensor_type.shape.dim[1:]] == [32, 40, 3]
    assert sum(np.prod(tensor.dims) for tensor in model.graph.initializer) < 200
    convolved = {node.input[1] for node in model.graph.node if node.op_type == "Conv"}
    assert convolved == {name for name in actor_weights(actor) if name.startswith(f"{WEIGHT_PREFIX}encoder")} - {
        name for name in actor_weights(actor) if name.endswith("bias")
    }


@pytest.mark.slow
def test_another_architecture_has_another_fingerprint() -> None:
    spaces = plain_spaces()
    wider = export_actor(random_actor(spaces, actor_hidden_sizes=(17,)), spaces)
    assert wider.fingerprint != export_actor(random_actor(spaces), spaces).fingerprint


@pytest.mark.parametrize("name", ["noise", "action", f"{WEIGHT_PREFIX}network.layers.0.weight"])
def test_a_column_with_the_name_of_another_input_is_refused(name: str) -> None:
    spaces = Spaces(observation={name: box(3)}, action=box(2, low=-1, high=1))
    with pytest.raises(ValueError, match="rename the column"):
        export_actor(Actor(spaces, small_config()), spaces)


def test_a_column_may_have_the_name_of_a_weight_or_value_of_the_graph() -> None:
    spaces = Spaces(
        observation={"value_15": box(3), "features.mean": box(2), "mean": box(1)}, action=box(2, low=-1, high=1)
    )
    actor = random_actor(spaces)
    observation = dict(random_batch(spaces, 2).observation)
    noise = np.zeros((2, 2), np.float32)
    with torch.no_grad():
        expected = actor({name: torch.from_numpy(column) for name, column in observation.items()}, torch.zeros(2, 2))
    np.testing.assert_allclose(onnx_action(export_actor(actor, spaces), actor, observation, noise), expected, atol=1e-5)
