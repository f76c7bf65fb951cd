"""What one action costs over the matrix-vector products it is made of."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import onnxruntime
import torch
from onnx import TensorProto, helper

from distrib_l2r.policy import PolicyGraph, PolicyVersion
from distrib_l2r.spaces import Spaces
from distrib_l2r.tensor import Array
from learner_service.actor_export import actor_weights, export_actor
from learner_service.sac.config import SACConfig
from learner_service.sac.features import LARGEST_DEVIATION
from learner_service.sac.sac import SAC
from learner_service.sac.squashed_gaussian import LOG_DEVIATION_BOUNDS
from tests.benchmarks.comparison import Comparison
from worker_service.actor import Actor

CALLS = 500
"""Of a block."""


def compare(spaces: Spaces, columns: Mapping[str, Array], hidden: tuple[int, int], rounds: int) -> Iterator[Comparison]:
    """Rows of an actor of these hidden sizes; see `worker_loop`.

    The baseline is numpy's products of the policy's matrices with one vector each, into memory that is there already.

    Args:
        spaces: to act in.
        columns: an observation.
        hidden: units of the hidden layers.
        rounds: blocks of each, taken by turns, in CPU time of the thread.
    """
    policy = SAC(spaces, SACConfig(actor_hidden_sizes=hidden, device="cpu"))
    graph, weights = export_actor(policy.actor, spaces), actor_weights(policy.actor)
    actor = Actor(graph, spaces)
    actor.load(PolicyVersion(version=1, training_step=0, graph_fingerprint=graph.fingerprint, weights=weights))
    inputs, noise = list(actor.observation.items()), np.zeros(actor.noise_size, np.float32)

    def act_in_place() -> None:
        for name, column in inputs:
            column[0] = columns[name]
        actor.run()

    calls: dict[str, Callable[[], object]] = {
        "act_vs_gemv": act_in_place,
        "act_with_copies": lambda: actor.act(columns, noise),
        "act_fed_anew": _session(graph, weights, columns, noise),
        "act_in_numpy": _in_numpy(policy, columns, noise),
        "act_one_node": _one_node(),
    }
    multiply = _products(weights)
    blocks = [
        {name: _microseconds(call) for name, call in calls.items()} | {"": _microseconds(multiply)}
        for _ in range(rounds)
    ]
    size = "x".join(str(units) for units in hidden)
    for name in calls:
        times, bare = [block[name] for block in blocks], [block[""] for block in blocks]
        yield Comparison(name=f"{name}/{size}", unit="us", values=times, baselines=bare)


def _session(
    graph: PolicyGraph, weights: Mapping[str, Array], columns: Mapping[str, Array], noise: Array
) -> Callable[[], Any]:
    """The session's run, its feed made beforehand."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph.onnx, options, providers=["CPUExecutionProvider"])
    feed = {**weights, **{name: column[None] for name, column in columns.items()}, "noise": noise[None]}
    return lambda: session.run(None, feed)


def _one_node() -> Callable[[], object]:
    """A graph of one node over two numbers, bound as the actor's is."""
    shape = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2])
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2])
    graph = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "one", [shape], [output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    binding, arrays = session.io_binding(), [np.zeros((1, 2), np.float32) for _ in range(2)]
    binding.bind_ortvalue_input("x", onnxruntime.OrtValue.ortvalue_from_numpy(arrays[0]))
    binding.bind_ortvalue_output("y", onnxruntime.OrtValue.ortvalue_from_numpy(arrays[1]))
    # The arrays live as long as the function does.
    return lambda: (session.run_with_iobinding(binding), arrays)


def _in_numpy(policy: SAC, columns: Mapping[str, Array], noise: Array) -> Callable[[], Array]:
    """The default actor of a plain observation, by hand."""
    actor = policy.actor
    (observation,) = columns.values()
    weights = {name: tensor.numpy() for name, tensor in actor.state_dict().items()}
    count = len(actor.network.layers)
    layers = [(weights[f"network.layers.{i}.weight"], weights[f"network.layers.{i}.bias"]) for i in range(count)]
    mean, scale, size = actor.features.mean.numpy(), actor.features.inverse_deviation.numpy(), actor.action_size
    low, high = LOG_DEVIATION_BOUNDS

    def act() -> Array:
        row = np.clip((observation - mean) * scale, -LARGEST_DEVIATION, LARGEST_DEVIATION)
        for weight, bias in layers[:-1]:
            row = row @ weight + bias
            row -= row.mean()
            row /= np.sqrt(row @ row / len(row) + 1e-5)
            row /= 1 + np.exp(-row)
        out = row @ layers[-1][0] + layers[-1][1]
        deviation = np.exp(0.5 * (low + high) + 0.5 * (high - low) * np.tanh(out[size:]))
        action: Array = np.clip(policy.config.action_stretch * np.tanh(out[:size] + deviation * noise), -1, 1)
        return action

    np.testing.assert_allclose(act(), _by_torch(policy, columns, noise), atol=1e-5)
    return act


def _by_torch(policy: SAC, columns: Mapping[str, Array], noise: Array) -> Array:
    with torch.no_grad():
        rows = {name: torch.from_numpy(column[None].copy()) for name, column in columns.items()}
        action: Array = policy.actor(rows, torch.from_numpy(noise[None])).numpy()[0]
    return action


def _products(weights: Mapping[str, Array]) -> Callable[[], None]:
    matrices = [np.ascontiguousarray(weight) for weight in weights.values() if weight.ndim == 2]
    triples = [(np.ones(len(matrix), np.float32), matrix, np.empty(matrix.shape[1], np.float32)) for matrix in matrices]

    def multiply() -> None:
        for vector, matrix, out in triples:
            np.dot(vector, matrix, out)

    return multiply


def _microseconds(call: Callable[[], object]) -> float:
    started = time.thread_time()
    for _ in range(CALLS):
        call()
    return 1e6 * (time.thread_time() - started) / CALLS
