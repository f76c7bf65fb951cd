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


def chains(node: AsyncLearningNode) -> list[list[float]]:
    """Rewards of each stretch of an episode, as successors link it across chunks."""
    training = node.run.training
    assert training is not None
    ring = training.ring
    assert ring.written <= ring.capacity, "nothing is overwritten yet"
    with ring.lock:
        live, successor, reward = ring.ending != DEAD, ring.successor.copy(), ring.reward.copy()
    heads = set(live.nonzero()[0].tolist()) - set(successor[live].tolist())
    found = []
    for head in sorted(heads):
        row, stretch = head, []
        while live[row]:
            stretch.append(float(reward[row]))
            row = int(successor[row])
        found.append(stretch)
    return found
