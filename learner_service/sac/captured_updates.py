"""Several updates as one CUDA graph: sampling, update and target update without a word from the host."""

import logging
import math
from typing import Final

import torch

from learner_service.policy import Policy
from learner_service.replay.device_ring import DeviceRing
from learner_service.replay.ring import ReplayRing
from learner_service.sac.sac import SAC

_logger = logging.getLogger(__name__)

LARGEST_SHARE: Final = 0.8
"""Of a GPU's free memory that replay may take."""
UPDATES_PER_REPLAY: Final = 8
"""At least; a replay holds whole periods of the policy delay."""


class CapturedUpdates:
    """Updates of a policy on a GPU, from replay on the same GPU.

    The first run makes updates one operation after the other, which also readies the libraries, then captures as many;
    later ones replay. All draw from the policy's random numbers, which a checkpoint holds.

    Args:
        policy: on a CUDA device.
        ring: there too.

    Raises:
        ValueError: the policy is elsewhere, or encodes images.
    """

    samples_replay = True

    def __init__(self, policy: SAC, ring: DeviceRing) -> None:
        if policy.actor.encoder is not None:
            raise ValueError("the policy encodes images; its updates cannot be captured")
        if policy.device.type != "cuda":
            raise ValueError(f"the policy is on {policy.device}; only updates on a CUDA device can be captured")
        self._policy = policy
        self._ring = ring
        self._graph: torch.cuda.CUDAGraph | None = None
        delay = policy.config.policy_delay
        self.count = math.ceil(UPDATES_PER_REPLAY / delay) * delay
        """Updates of a run, except that the first makes twice as many."""

    def ready(self) -> bool:
        """Always."""
        return True

    def run(self) -> int:
        """Makes updates from all that has arrived, without waiting for them.

        Returns:
            How many.
        """
        self._ring.catch_up()
        made = self.count if self._graph is not None else 2 * self.count
        self._policy.calibrate_privileged(self._ring, made)
        if self._graph is None:
            self._graph = self._capture()
        else:
            self._policy.replayed(self.count)
        self._graph.replay()
        return made

    def _capture(self) -> torch.cuda.CUDAGraph:
        """Makes updates, and captures as many, which the policy counts but which have not been made yet."""
        device = self._policy.device
        stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream):
            self._update()
        torch.cuda.current_stream(device).wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self._policy.random)
        with torch.cuda.graph(graph):
            self._update()
        return graph

    def _update(self) -> None:
        for _ in range(self.count):
            self._policy.update_from(self._ring)


def captured_updates(policy: Policy, ring: ReplayRing) -> CapturedUpdates | None:
    """Captured updates where the policy can be captured and its GPU has room for replay, otherwise None."""
    if not isinstance(policy, SAC) or policy.device.type != "cuda":
        return None
    if policy.actor.encoder is not None:
        # Capture takes autograd along in principle, but has never been tried on a GPU.
        _logger.warning(
            "the policy encodes images: updates are made one operation after the other, from batches sampled on the "
            "host, and not captured as a CUDA graph, which is faster"
        )
        return None
    needed, (free, _) = DeviceRing.needed_bytes(ring), torch.cuda.mem_get_info(policy.device)
    if needed > LARGEST_SHARE * free:
        _logger.warning(
            "replay takes %d bytes and %s has %d free: batches are sampled on the host, which is slower; a smaller "
            "replay_capacity would fit",
            needed,
            policy.device,
            free,
        )
        return None
    return CapturedUpdates(policy, DeviceRing(ring, policy.sampling, policy.device))
