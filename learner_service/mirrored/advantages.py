"""What the noise of each step of a pair was worth."""

import numpy as np
import numpy.typing as npt

from learner_service.mirrored.episode_pairs import Pair

Advantages = npt.NDArray[np.float32]
Returns = npt.NDArray[np.float64]


def pair_advantages(pair: Pair, *, discount: float, termination_discount: float, tail_steps: int) -> Advantages:
    """Half of the difference between the discounted sums of rewards that followed, float32 [2, U] with U <= T.

    The mirror image is the other's baseline: from the same state on, and with the same consequences of all that the
    noise did not change, it differs by twice what the noise was worth, up to the third order of its deviation. No
    value is learned, and nothing bootstraps.

    Where one episode was terminated, all that the other earned from there on is one great difference. Its causes lie
    close by, so it is discounted faster on its way back: otherwise a hundred steps that had nothing to do with it would
    carry it, and drown what every other step says.

    Args:
        pair: of T steps.
        discount: a step.
        termination_discount: a step, of what follows from step T on where one episode was terminated there.
        tail_steps: last steps that are left out, unless one episode was terminated.
    """
    difference = 0.5 * (pair.reward[0].astype(np.float64) - pair.reward[1])
    if pair.terminated:
        last = pair.length - 1
        end = float(_following(difference[last:], discount)[0])
        advantage = np.append(_following(difference[:last], discount), 0.0)
        advantage += end * termination_discount ** np.arange(last, -1, -1)
    else:
        advantage = _following(difference, discount)[: max(pair.length - tail_steps, 0)]
    first = advantage.astype(np.float32)
    return np.stack([first, -first])


def _following(reward: Returns, discount: float) -> Returns:
    """Discounted sums of each step's reward and those after it."""
    following = np.empty(len(reward))
    total = 0.0
    for step in range(len(reward) - 1, -1, -1):
        total = reward[step] + discount * total
        following[step] = total
    return following
