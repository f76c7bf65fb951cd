"""The actor: a policy's graph run by onnxruntime, its weights fed as inputs."""

from collections.abc import Callable, Mapping
from functools import partial

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
        rows: the same row by row, by name, for whoever fills them at every step.
        noise: float32 [rows, noise size]; zeros, as it is at first, act deterministically.
        action: [rows, ...] of the newest run, always in the same memory; there from the first `load` on.
    """

    def __init__(self, graph: PolicyGraph, spaces: Spaces, rows: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        # So small a product in more threads would only wait for them.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # An action's time is mostly bookkeeping; this saves 3 % of it.
        options.enable_mem_reuse = False
        self._session = onnxruntime.InferenceSession(graph.onnx, options, providers=["CPUExecutionProvider"])
        self._binding = self._session.io_binding()
        run_options = onnxruntime.RunOptions()
        # The CPU is no device to wait for: 4 % of an action's time.
        run_options.add_run_config_entry("disable_synchronize_execution_providers", "1")
        # What `run_with_iobinding` calls after looking whether a graph is being captured on a GPU: 6 %.
        run, binding = self._session._sess.run_with_iobinding, self._binding._iobinding
        self._run: Callable[[], None] = partial(run, binding, run_options)
        noise = next(entry for entry in self._session.get_inputs() if entry.name == "noise")
        self.observation = {name: np.zeros((rows, *box.shape), box.dtype) for name, box in spaces.observation.items()}
        self.noise = np.zeros((rows, int(noise.shape[1])), np.float32)
        for name, column in (*self.observation.items(), ("noise", self.noise)):
            self._bind(name, column)
        # With an ellipsis, which gives views even of columns of one number.
        self.rows = [[(name, column[row, ...]) for name, column in self.observation.items()] for row in range(rows)]
        self._weights: dict[str, Array] = {}
        self.action: Array
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
        if self.policy_version == 0:
            self.action = self._first_run()
        self.policy_version = policy.version

    def run(self) -> Array:
        """`action` of `observation` and `noise`; the array changes at the next call."""
        self._run()
        return self.action

    def act(self, observation: Mapping[str, Array], noise: Array | None = None) -> Array:
        """An action of the first row.

        Args:
            observation: one row of each column, in the spaces' dtypes.
            noise: float32 [noise_size]; None acts deterministically.
        """
        for name, row in self.rows[0]:
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
        self._run()
        action: Array = self._binding.copy_outputs_to_cpu()[0]
        self._binding.clear_binding_outputs()
        self._binding.bind_ortvalue_output("action", onnxruntime.OrtValue.ortvalue_from_numpy(action))
        return action
