"""The wrapper that cuts and shrinks pictures."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from worker_service.columns import PLAIN_COLUMN, Environment
from worker_service.encoders.picture import Framing


class FramedImage(gymnasium.ObservationWrapper[Any, Any, Any]):
    """An environment whose picture is cut and shrunk, for a policy that sees pictures; other columns stay.

    Args:
        environment: its observation is a picture, uint8 [H, W, 3], or a Dict with one.
        framing: what of it is kept, and how large it becomes.
        column: the picture's name in a Dict.

    Raises:
        ValueError: there is no such picture, or it has not the part that is to be kept.
    """

    def __init__(self, environment: Environment, framing: Framing, *, column: str = "camera") -> None:
        super().__init__(environment)
        space = environment.observation_space
        self._column = column if isinstance(space, spaces.Dict) else None
        boxes = space.spaces if isinstance(space, spaces.Dict) else {PLAIN_COLUMN: space}
        picture = boxes.get(column) if self._column else space
        if not isinstance(picture, spaces.Box) or picture.dtype != np.uint8:
            raise ValueError(
                f"the environment has no pictures {column!r}, uint8; its columns are {', '.join(sorted(boxes))}"
            )
        framing.check(picture.shape)
        self._framing = framing
        framed = spaces.Box(0, 255, (framing.height, framing.width, 3), np.uint8)
        self.observation_space = spaces.Dict({**boxes, column: framed}) if self._column else framed

    def observation(self, observation: Any) -> Any:
        """With the picture framed."""
        if self._column is None:
            return self._framing.apply(observation)
        return {**observation, self._column: self._framing.apply(observation[self._column])}
