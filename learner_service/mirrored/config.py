"""Every setting of learning from mirrored pairs."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class MirroredConfig:
    """Settings of `MirroredPolicyGradient`."""

    mirrored_after_updates: int | None = None
    """Updates of SAC after which mirrored pairs take over; 0: never. If not given, 40,000 for Racetrack-v0 and never
    elsewhere. They take workers that bring a thousand steps a second, or more than SAC takes: till then SAC goes on."""
    mirrored_pairs: int = 8
    """Of episodes, in each iteration."""
    mirrored_passes: int = 2
    """Over the steps of an iteration."""
    mirrored_batch_size: int = 2048
    """Steps an update."""
    mirrored_discount: float = 0.985
    """Discount a step. Nothing bootstraps, so that it may be long: what a step changes later counts as it happened."""
    mirrored_termination_discount: float = 0.9
    """Discount a step of what a termination costs: its causes lie close by."""
    mirrored_tail_steps: int = 60
    """Last steps of an episode that was cut off: what they change later was not seen."""
    mirrored_clip: float = 0.6
    """Change of an action's likelihood within an iteration beyond which no gradient moves it further."""
    mirrored_deviation: float = 0.004
    """Of the noise that explores, before squashing; workers scale it by their rung of the ladder."""
    mirrored_learning_rate: float = 7e-5
    """Adam's step size at first; then it follows the divergence."""
    mirrored_divergence: float = 0.6
    """Nats by which an iteration should move the policy away from itself."""
    mirrored_decay_iterations: int = 2_000
    """After which the divergence sought falls with their number, and so the step size with its square root."""
    mirrored_publish_period_seconds: float = 0.4
    """Shortest time between two policy versions: pairs should be of nearly the policy of now."""
    mirrored_gradient_clip: float = 0.5
    """Largest Euclidean norm of the actor's gradient."""

    def __post_init__(self) -> None:
        for name in ("mirrored_pairs", "mirrored_passes", "mirrored_batch_size", "mirrored_decay_iterations"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        for name in ("mirrored_after_updates", "mirrored_tail_steps"):
            if (getattr(self, name) or 0) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 0")
        for name in (
            "mirrored_clip",
            "mirrored_deviation",
            "mirrored_learning_rate",
            "mirrored_divergence",
            "mirrored_gradient_clip",
        ):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be above 0")
        for name in ("mirrored_discount", "mirrored_termination_discount"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must lie between 0 and 1")
