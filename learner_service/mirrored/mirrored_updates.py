"""Updates from pairs, as the trainer makes them."""

from learner_service.mirrored.episode_pairs import EpisodePairs
from learner_service.mirrored.policy_gradient import MirroredPolicyGradient


class MirroredUpdates:
    """An iteration whenever enough pairs have come.

    Args:
        policy: improved.
        pairs: gathered from now on.
    """

    samples_replay = False

    def __init__(self, policy: MirroredPolicyGradient, pairs: EpisodePairs) -> None:
        self._policy = policy
        self._pairs = pairs
        pairs.gathers = True

    def ready(self) -> bool:
        """Whether there are pairs for an iteration."""
        return self._pairs.ready

    def run(self) -> int:
        """Makes an iteration's updates; returns how many."""
        return self._policy.update(self._pairs.take())
