"""What one action costs over the matrix-vector products it is made of."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import onnxruntime

from distrib_l2r.policy import PolicyGraph, PolicyVersion
from distrib_l2r.spaces import Spaces
from distrib_l2r.tensor import Array
from learner_service.actor_export import actor_weights, export_actor
from learner_service.sac.config import SACConfig
from learner_service.sac.sac import SAC
from tests.benchmarks.comparison import Comparison
from worker_service.actor import Actor

CALLS = 500
"""Of a block."""


def compare(spaces: Spaces, columns: Mapping[str, Array], hidden: tuple[int, int], rounds: int) -> Iterator[Comparison]:
    """Rows of an actor of these hidden sizes: a worker's `act`, and onnxruntime's session alone.

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
    noise = np.zeros(actor.noise_size, np.float32)
    multiply, run = _products(weights), _session(graph, weights, columns, noise)
    blocks: list[tuple[float, float, float]] = [
        (_microseconds(lambda: actor.act(columns, noise)), _microseconds(run), _microseconds(multiply))
        for _ in range(rounds)
    ]
    acting, running, bare = zip(*blocks, strict=True)
    size = "x".join(str(units) for units in hidden)
    yield Comparison(name=f"act_vs_gemv/{size}", unit="us", values=acting, baselines=bare, demand="<= 3")
    yield Comparison(name=f"act_session_alone/{size}", unit="us", values=running, baselines=bare)


def _session(
    graph: PolicyGraph, weights: Mapping[str, Array], columns: Mapping[str, Array], noise: Array
) -> Callable[[], Any]:
    """The session's run, its feed made beforehand."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph.onnx, options, providers=["CPUExecutionProvider"])
    feed = {**weights, **{name: column[None] for name, column in columns.items()}, "noise": noise[None]}
    return lambda: session.run(None, feed)


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
