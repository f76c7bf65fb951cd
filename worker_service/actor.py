"""The actor: a policy's graph run by onnxruntime, its weights fed as inputs."""

from collections.abc import Mapping

import numpy as np
import onnxruntime

from distrib_l2r.policy import PolicyGraph, PolicyVersion
from distrib_l2r.spaces import Spaces
from distrib_l2r.tensor import Array


class Actor:
    """Chooses actions for one environment, or for several at once.

    Everything the graph takes and gives lies in arrays that onnxruntime reads and writes in place: whoever acts fills
    rows of `observation` and `noise` and calls `run`. Feeding a session anew each time costs as much as the network.

    Args:
        graph: of the policy.
        spaces: of the environments; what the graph takes for an observation.
        rows: environments.

    Attributes:
        observation: each column [rows, ...] in its box's shape and dtype.
        columns: the same as pairs, for whoever fills them at every step.
        noise: float32 [rows, noise size]; zeros, as it is at first, act deterministically.
    """

    def __init__(self, graph: PolicyGraph, spaces: Spaces, rows: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        # So small a product in more threads would only wait for them.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(graph.onnx, options, providers=["CPUExecutionProvider"])
        self._binding = self._session.io_binding()
        self._run = self._session.run_with_iobinding
        noise = next(entry for entry in self._session.get_inputs() if entry.name == "noise")
        self.observation = {name: np.zeros((rows, *box.shape), box.dtype) for name, box in spaces.observation.items()}
        self.columns = list(self.observation.items())
        self.noise = np.zeros((rows, int(noise.shape[1])), np.float32)
        for name, column in (*self.columns, ("noise", self.noise)):
            self._bind(name, column)
        # With an ellipsis, which gives views even of columns of one number.
        self._first_rows = [(name, column[0, ...]) for name, column in self.columns]
        self._weights: dict[str, Array] = {}
        self._action: Array | None = None
        self.policy_version = 0

    @property
    def noise_size(self) -> int:
        """Numbers of noise an action takes."""
        return self.noise.shape[1]

    def load(self, policy: PolicyVersion) -> None:
        """Acts with these weights from now on.

        Raises:
            ValueError: a weight has another shape or type than before.
        """
        for name, weight in policy.weights.items():
            kept = self._weights.get(name)
            if kept is None:
                kept = self._weights[name] = np.empty(weight.shape, weight.dtype)
                self._bind(name, kept)
            elif (kept.shape, kept.dtype) != (weight.shape, weight.dtype):
                raise ValueError(
                    f"weight {name!r} of policy version {policy.version} is {weight.dtype} {weight.shape}; it was "
                    f"{kept.dtype} {kept.shape}: a graph's weights keep their shapes"
                )
            kept[...] = weight
        self.policy_version = policy.version

    def run(self) -> Array:
        """Actions [rows, ...] of `observation` and `noise`; the array changes at the next call."""
        if self._action is None:
            self._action = self._first_run()
        self._run(self._binding)
        return self._action

    def act(self, observation: Mapping[str, Array], noise: Array | None = None) -> Array:
        """An action of the first row.

        Args:
            observation: one row of each column, in the spaces' dtypes.
            noise: float32 [noise_size]; None acts deterministically.
        """
        for name, row in self._first_rows:
            row[...] = observation[name]
        self.noise[0] = 0.0 if noise is None else noise
        action: Array = self.run()[0].copy()
        return action

    def _bind(self, name: str, array: Array) -> None:
        # On the CPU such a value shares the array's memory, which must outlive it: the arrays are kept above.
        self._binding.bind_ortvalue_input(name, onnxruntime.OrtValue.ortvalue_from_numpy(array))

    def _first_run(self) -> Array:
        """Runs once where onnxruntime likes, which tells the action's shape and type whatever the graph declares."""
        self._binding.bind_output("action")
        self._run(self._binding)
        action: Array = self._binding.copy_outputs_to_cpu()[0]
        self._binding.clear_binding_outputs()
        self._binding.bind_ortvalue_output("action", onnxruntime.OrtValue.ortvalue_from_numpy(action))
        return action
