"""What the noise of each step of a pair was worth."""

import numpy as np
import numpy.typing as npt

from learner_service.mirrored.episode_pairs import Pair

Advantages = npt.NDArray[np.float32]


def pair_advantages(pair: Pair, *, discount: float, tail_steps: int) -> Advantages:
    """Half of the difference between the discounted sums of rewards that followed, float32 [2, U] with U <= T.

    The mirror image is the other's baseline: from the same state on, and with the same consequences of all that the
    noise did not change, it differs by twice what the noise was worth, up to the third order of its deviation. No
    value is learned, and nothing bootstraps.

    Args:
        pair: of T steps.
        discount: a step.
        tail_steps: last steps that are left out, unless the pair ends because one episode was terminated.
    """
    steps = pair.length if pair.terminated else pair.length - tail_steps
    difference = 0.5 * (pair.reward[0].astype(np.float64) - pair.reward[1])
    following = np.empty(len(difference))
    total = 0.0
    for step in range(len(difference) - 1, -1, -1):
        total = difference[step] + discount * total
        following[step] = total
    first = following[: max(steps, 0)].astype(np.float32)
    return np.stack([first, -first])
