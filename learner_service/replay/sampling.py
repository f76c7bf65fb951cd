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
    mirrored_noise: float = 0.0
    """Above 0 collectors drive the versions published from now on in mirrored pairs of episodes, with this as a further
    factor on the noise."""
    publish_period_seconds: float | None = None
    """Shortest time between two policy versions; as the run is configured where None."""
    samples_per_insert: tuple[float, float] | None = None
    """Least and most samples for each transition that arrives; as the run is configured where None."""
