"""The policy graph that an earlier learner exported, used again where it still says what the actor says."""

import logging
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import torch
from google.protobuf.message import DecodeError
from onnx.reference import ReferenceEvaluator
from torch import nn

from distrib_l2r.policy import PolicyGraph
from distrib_l2r.spaces import Box, Spaces
from distrib_l2r.tensor import Array
from learner_service.actor_export import actor_weights, export_actor
from learner_service.replace_file import replace_file

_logger = logging.getLogger(__name__)

_ROWS: Final = 4
_TOLERANCE: Final = 1e-4
_LARGEST: Final = 10.0
"""Of observations tried, where the space has no bound."""


def policy_graph(actor: nn.Module, spaces: Spaces, kept: Path | None) -> PolicyGraph:
    """The actor's graph.

    An export takes seconds, which a learner that comes back after a crash need not spend: the graph in the file `kept`
    serves again if it gives the actor's actions for a few observations. Otherwise it is exported and kept there.

    Args:
        actor: see `export_actor`.
        spaces: of the run.
        kept: a file that may be missing or of another actor; None keeps nothing.
    """
    if kept is not None and kept.exists():
        graph = PolicyGraph(onnx=kept.read_bytes())
        if _says_the_same(graph, actor, spaces):
            return graph
        _logger.info("%s is of another actor: exporting this one's graph", kept)
    graph = export_actor(actor, spaces)
    if kept is not None:
        replace_file(kept, graph.onnx)
    return graph


def _says_the_same(graph: PolicyGraph, actor: nn.Module, spaces: Spaces) -> bool:
    generator = np.random.default_rng(0)
    observation = {name: _values(box, generator) for name, box in spaces.observation.items()}
    noise = generator.standard_normal((_ROWS, int(np.prod(spaces.action.shape)))).astype(np.float32)
    weights = actor_weights(actor)
    device = next(iter(actor.state_dict().values())).device
    try:
        model = onnx.load_from_string(graph.onnx)
        if [value.name for value in model.graph.input] != [*observation, "noise", *weights]:
            return False
        (told,) = ReferenceEvaluator(model).run(None, {**observation, "noise": noise, **weights})
    # Bytes of any kind may lie in the file, and the evaluator raises whatever its operators do: export then.
    except (DecodeError, ValueError, TypeError, RuntimeError, NotImplementedError, IndexError, KeyError) as error:
        _logger.info("the kept graph cannot be run (%s: %s)", type(error).__name__, error)
        return False
    training = actor.training
    with torch.no_grad():
        columns = {name: torch.from_numpy(values).to(device) for name, values in observation.items()}
        action: Array = actor.eval()(columns, torch.from_numpy(noise).to(device)).cpu().numpy()
    actor.train(training)
    return bool(np.shape(told) == action.shape and np.allclose(told, action, rtol=_TOLERANCE, atol=_TOLERANCE))


def _values(box: Box, generator: np.random.Generator) -> Array:
    """A few values within a box."""
    low = np.clip(box.low.astype(np.float64), -_LARGEST, None)
    high = np.clip(box.high.astype(np.float64), None, _LARGEST if box.dtype.kind == "f" else None)
    values = generator.uniform(np.minimum(low, high), high, (_ROWS, *box.shape))
    return values.astype(box.dtype)
