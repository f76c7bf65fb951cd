"""The actor: a policy's graph run by onnxruntime, its weights fed as inputs."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnxruntime

from distrib_l2r.policy import PolicyGraph, PolicyVersion
from distrib_l2r.tensor import Array


class Actor:
    """Chooses actions for one environment."""

    def __init__(self, graph: PolicyGraph) -> None:
        options = onnxruntime.SessionOptions()
        # One row at a time: more threads would only wait for each other.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(graph.onnx, options, providers=["CPUExecutionProvider"])
        noise = next(entry for entry in self._session.get_inputs() if entry.name == "noise")
        self.noise_size = int(noise.shape[1])
        self._silence = np.zeros((1, self.noise_size), np.float32)
        self._feed: dict[str, Any] = {}
        self.policy_version = 0

    def load(self, policy: PolicyVersion) -> None:
        """Acts with these weights from now on."""
        self._feed = dict(policy.weights)
        self.policy_version = policy.version

    def act(self, observation: Mapping[str, Array], noise: Array | None = None) -> Array:
        """An action.

        Args:
            observation: one row of each column, in the run's dtypes.
            noise: float32 [noise_size]; None acts deterministically.
        """
        feed = self._feed
        for name, column in observation.items():
            feed[name] = column[None]
        feed["noise"] = self._silence if noise is None else noise[None]
        action: Array = self._session.run(None, feed)[0][0]
        return action
