"""What an update computes with."""

from typing import NamedTuple

from torch import Tensor


class Transitions(NamedTuple):
    """A batch as the networks see it; all float32."""

    features: Tensor
    """[B, features] of the actor."""
    critic_features: Tensor
    """[B, features + privileged features]."""
    unit_action: Tensor
    """[B, action size] in [-1, 1]."""
    reward: Tensor
    """[B], the n-step return in units of the return scale."""
    discount: Tensor
    """[B], of the value at the bootstrap state."""
    next_features: Tensor
    """[B, features] at the bootstrap state."""
    next_critic_features: Tensor
    """[B, features + privileged features] at the bootstrap state."""
