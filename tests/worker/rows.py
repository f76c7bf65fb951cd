"""What a learner's replay holds, row by row."""

from learner_service import AsyncLearningNode
from learner_service.replay.ring import DEAD


def ring_rewards(node: AsyncLearningNode) -> list[float]:
    """Rewards in the order they were added, tails left out."""
    training = node.run.training
    assert training is not None
    ring = training.ring
    assert ring.written <= ring.capacity, "nothing is overwritten yet"
    with ring.lock:
        rewards: list[float] = ring.reward[ring.ending != DEAD].tolist()
    return rewards
