"""One batch of n-step transitions."""

from collections.abc import Mapping
from dataclasses import dataclass

from distrib_l2r.tensor import Array


@dataclass(frozen=True, eq=False, kw_only=True)
class Batch:
    """B n-step transitions, uniformly drawn. The arrays are the sampler's own: the next sample overwrites them."""

    observation: Mapping[str, Array]
    """Each column [B, ...], as stored."""
    privileged: Mapping[str, Array]
    """Each column [B, ...]; empty where the run has none."""
    action: Array
    """[B, ...], the first of the n actions."""
    n_step_return: Array
    """float32 [B]: sum of discount^i * reward_i over the k <= n steps that follow."""
    bootstrap_discount: Array
    """float32 [B]: discount^k, or 0 where the k-th step terminated the episode."""
    next_observation: Mapping[str, Array]
    """Each column [B, ...], after the k-th step."""
    next_privileged: Mapping[str, Array]
    """Each column [B, ...], after the k-th step."""
