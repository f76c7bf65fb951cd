"""How an algorithm samples replay."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """The batches an algorithm wants from replay."""

    batch_size: int = 256
    """Transitions a batch."""
    n_step: int = 3
    """Most rewards summed into one n-step return."""
    discount: float = 0.99
    """Discount a step."""
