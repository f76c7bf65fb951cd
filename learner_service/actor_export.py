"""An actor as an ONNX graph whose weights are inputs."""

import contextlib
import copy
import logging
import warnings
from collections.abc import Iterator

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from distrib_l2r.policy import PolicyGraph
from distrib_l2r.spaces import Spaces
from distrib_l2r.tensor import Array

WEIGHT_PREFIX = "actor."
"""Before the name of each weight: it keeps weights and observation columns apart."""


def actor_weights(actor: nn.Module) -> dict[str, Array]:
    """The weights that travel, by the names of the graph's inputs: contiguous copies of parameters and buffers.

    Buffers registered with `persistent=False` are constants of the graph and do not travel.
    """
    return {
        WEIGHT_PREFIX + name: np.array(tensor.detach().cpu().numpy(), order="C")
        for name, tensor in actor.state_dict().items()
    }


def export_actor(actor: nn.Module, spaces: Spaces) -> PolicyGraph:
    """The actor's graph.

    Its inputs are, in order, the observation columns, `noise` and the weights; its output is `action`. The batch
    dimension is free. The same architecture gives the same bytes in every process with the same library versions.

    Args:
        actor: called as `actor(observation, noise)`; see `learner_service.policy.Policy.actor`.
        spaces: of the run.

    Raises:
        ValueError: a column has the name of another input or of the output.
    """
    weights = {WEIGHT_PREFIX + name: tensor.detach() for name, tensor in actor.state_dict().items()}
    for name in spaces.observation:
        if name in {"noise", "action"} or name in weights:
            raise ValueError(
                f"an observation column is named {name!r}; the graph's noise, action and weights "
                f"({WEIGHT_PREFIX}...) have that name: rename the column in an environment wrapper"
            )
    device = next(iter(weights.values())).device
    # Two rows: a dimension of one would be taken for a constant.
    columns = [
        torch.zeros(2, *box.shape, dtype=torch.from_numpy(np.empty(0, box.dtype)).dtype, device=device)
        for box in spaces.observation.values()
    ]
    noise = torch.zeros(2, int(np.prod(spaces.action.shape)), device=device)
    batch = torch.export.Dim("batch")
    with silent_exporter():
        program = torch.onnx.export(
            _Acting(actor, tuple(spaces.observation)).eval(),
            (columns, noise, list(weights.values())),
            input_names=[*spaces.observation, "noise", *weights],
            output_names=["action"],
            dynamic_shapes=([{0: batch} for _ in columns], {0: batch}, [None] * len(weights)),
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export returned nothing")
    return PolicyGraph(onnx=_canonical(program.model_proto))


@contextlib.contextmanager
def silent_exporter() -> Iterator[None]:
    """Keeps the exporter's remarks on its own deprecated calls and absent packages from the user."""
    logs = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [log.level for log in logs]
    for log in logs:
        log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`isinstance\\(treespec, LeafSpec\\)`", FutureWarning)
            warnings.filterwarnings("ignore", "# ONNX model has different number of inputs", UserWarning)
            yield
    finally:
        for log, level in zip(logs, levels, strict=True):
            log.setLevel(level)


class _Acting(nn.Module):
    """The actor as a function of its weights."""

    def __init__(self, actor: nn.Module, columns: tuple[str, ...]) -> None:
        super().__init__()
        # In a tuple, so that the actor's weights are not this module's: the exporter would keep them in the graph.
        self._actor = (copy.deepcopy(actor).eval(),)
        self._columns = columns
        self._weights = tuple(actor.state_dict())

    def forward(self, columns: list[Tensor], noise: Tensor, weights: list[Tensor]) -> Tensor:
        observation = dict(zip(self._columns, columns, strict=True))
        by_name = dict(zip(self._weights, weights, strict=True))
        action: Tensor = torch.func.functional_call(self._actor[0], by_name, (observation, noise))
        return action


def _canonical(model: onnx.ModelProto) -> bytes:
    """The model without what varies between exports of one architecture: names, provenance, order of attributes."""
    graph = model.graph
    model.ClearField("producer_name")
    model.ClearField("producer_version")
    model.ClearField("metadata_props")
    graph.name = "actor"
    graph.ClearField("doc_string")
    graph.ClearField("metadata_props")
    # Shapes of intermediate values, which onnxruntime infers anew.
    graph.ClearField("value_info")
    names = {value.name: value.name for value in (*graph.input, *graph.output)}
    prefix = "value_"
    while any(name.startswith(prefix) for name in names):
        prefix = "_" + prefix
    for value in (*graph.input, *graph.output):
        value.ClearField("metadata_props")
        for dimension in value.type.tensor_type.shape.dim:
            if dimension.HasField("dim_param"):
                dimension.dim_param = "batch"
    _rename(graph, names, prefix)
    used = {name for node in graph.node for name in node.input}
    constants = sorted((tensor for tensor in graph.initializer if tensor.name in used), key=lambda tensor: tensor.name)
    del graph.initializer[:]
    graph.initializer.extend(constants)
    return model.SerializeToString(deterministic=True)


def _rename(graph: onnx.GraphProto, names: dict[str, str], prefix: str) -> None:
    """Numbers values in the order of their use; branches of conditions and loops see the names around them."""
    for node in graph.node:
        for field in ("name", "doc_string", "metadata_props"):
            node.ClearField(field)
        attributes = sorted(node.attribute, key=lambda attribute: attribute.name)
        del node.attribute[:]
        node.attribute.extend(attributes)
        for side in (node.input, node.output):
            # The empty name is an optional input left out.
            side[:] = [name and names.setdefault(name, f"{prefix}{len(names)}") for name in side]
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                _rename(inner, names, prefix)
    for tensor in graph.initializer:
        tensor.name = names.get(tensor.name, tensor.name)
        for field in ("doc_string", "metadata_props"):
            tensor.ClearField(field)
