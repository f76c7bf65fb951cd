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
    mirrored: bool = False
    """Whether collectors drive mirrored pairs of episodes with the versions published from now on."""
    samples_per_insert: tuple[float, float] | None = None
    """Least and most samples for each transition that arrives; as the run is configured where None."""
