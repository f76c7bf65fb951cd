"""Policies on the wire: a graph once, then versions of its weights."""

import hashlib
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from distrib_l2r.invalid import refuse
from distrib_l2r.tensor import Array, decode_columns, encode_columns
from distrib_l2r.v1 import policy_pb2


@dataclass(frozen=True, kw_only=True)
class PolicyGraph:
    """An actor's architecture: an ONNX graph whose weights are inputs."""

    onnx: bytes
    """A serialised ONNX model; inputs and output as the contract's `PolicyGraph` says."""

    @property
    def fingerprint(self) -> str:
        """Lower-case hexadecimal SHA-256 of the graph."""
        return hashlib.sha256(self.onnx).hexdigest()


@dataclass(frozen=True, eq=False, kw_only=True)
class PolicyVersion:
    """One set of weights."""

    version: int
    """From 1, only growing."""
    training_step: int
    """Gradient updates done when it was taken."""
    graph_fingerprint: str
    """Of the graph the weights belong to."""
    weights: Mapping[str, Array]
    """Every weight input of the graph, observation statistics included."""
    mirrored_noise: float = 0.0
    """Above 0 collectors drive it in mirrored pairs of episodes, with this as a further factor on the noise."""
    published_at_seconds: float = field(default_factory=time.time)
    """Unix time."""


def encode_graph(graph: PolicyGraph) -> policy_pb2.PolicyGraph:
    """The message of a graph."""
    return policy_pb2.PolicyGraph(onnx=graph.onnx, fingerprint=graph.fingerprint)


def decode_graph(message: policy_pb2.PolicyGraph, path: str = "graph") -> PolicyGraph:
    """The graph of a message.

    Raises:
        InvalidMessageError: the fingerprint is not the graph's.
    """
    graph = PolicyGraph(onnx=message.onnx)
    if message.fingerprint != graph.fingerprint:
        refuse(f"{path}.fingerprint", repr(message.fingerprint), f"the graph's SHA-256 is {graph.fingerprint}")
    return graph


def encode_version(policy: PolicyVersion) -> policy_pb2.PolicyVersion:
    """The message of a policy version."""
    message = policy_pb2.PolicyVersion(
        version=policy.version,
        training_step=policy.training_step,
        graph_fingerprint=policy.graph_fingerprint,
        weights=encode_columns(policy.weights),
        mirrored_noise=policy.mirrored_noise,
    )
    message.published_at.FromNanoseconds(round(policy.published_at_seconds * 1e9))
    return message


def decode_version(message: policy_pb2.PolicyVersion, path: str = "policy") -> PolicyVersion:
    """The policy version of a message; its weights are read-only views of the message.

    Raises:
        InvalidMessageError: the version is 0 or a weight is invalid.
    """
    if message.version < 1:
        refuse(f"{path}.version", message.version, "versions start at 1")
    if not 0 <= message.mirrored_noise < math.inf:
        refuse(f"{path}.mirrored_noise", message.mirrored_noise, "it is a factor, at least 0 and finite")
    return PolicyVersion(
        version=message.version,
        training_step=message.training_step,
        graph_fingerprint=message.graph_fingerprint,
        weights=decode_columns(message.weights, f"{path}.weights"),
        mirrored_noise=message.mirrored_noise,
        published_at_seconds=message.published_at.ToNanoseconds() / 1e9,
    )
