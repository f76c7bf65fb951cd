"""The wrapper that gives a picture's latent in the picture's place."""

from collections import deque
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from worker_service.columns import PLAIN_COLUMN, Environment, observation_columns
from worker_service.encoders.encoder import Encoder, EncoderError

Floats = NDArray[np.float32]


class EncodedImage(gymnasium.Wrapper[Any, Any, Any, Any]):
    """An environment whose picture is encoded by a frozen encoder, with further numbers appended.

    The observation is a Box, float32 [frames * (latent + appended)]: of each frame, the oldest first, the latent and
    then what the encoder's metadata append, such as the speed. With a latent of 32 and the speed these are 33 floats.
    At first all frames are the episode's first.

    Args:
        environment: its observation is a Dict with the encoder's column, uint8 [H, W, 3], and those appended; or a Box,
            where the encoder's column is "observation" and nothing is appended.
        encoder: what encodes.
        frames: newest frames in an observation; with more than one a policy sees motion.
        keep: whether columns other than the picture stay as they are. The observation is then a Dict of them, with the
            floats under the picture's name.

    Raises:
        EncoderError: the environment has not what the encoder takes, or frames is below 1.
    """

    def __init__(self, environment: Environment, encoder: Encoder, *, frames: int = 1, keep: bool = False) -> None:
        super().__init__(environment)
        about = encoder.metadata
        space = environment.observation_space
        boxes = space.spaces if isinstance(space, spaces.Dict) else {PLAIN_COLUMN: space}
        names = ", ".join(sorted(boxes))
        picture = boxes.get(about.column)
        if not isinstance(picture, spaces.Box) or picture.dtype != np.uint8:
            raise EncoderError(
                f"the encoder takes the pictures {about.column!r}, uint8; the environment's columns are {names}: give "
                "it a camera (such as camera=64), or make an encoder of its own pictures"
            )
        try:
            about.framing.check(picture.shape)
        except ValueError as error:
            raise EncoderError(str(error)) from error
        shapes = {name: box.shape or () for name, box in boxes.items()}
        size = about.latent
        for entry in about.appended:
            count = entry.size(shapes)
            if count is None:
                raise EncoderError(f"the encoder appends {str(entry)!r}; the environment's columns are {names}")
            size += count
        if frames < 1:
            raise EncoderError(f"encoder_frames is {frames}; it must be at least 1")
        self._encoder: Encoder = encoder
        self._keep: bool = keep
        self._frames: deque[Floats] = deque(maxlen=frames)
        encoded = spaces.Box(-np.inf, np.inf, (frames * size,), np.float32)
        self.observation_space = spaces.Dict({**boxes, about.column: encoded}) if keep else encoded

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """As the environment, encoded."""
        observation, info = self.env.reset(seed=seed, options=options)
        first = self._encode(observation)
        self._frames.extend([first] * (self._frames.maxlen or 1))
        return self._observation(observation), info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """As the environment, encoded."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._frames.append(self._encode(observation))
        return self._observation(observation), reward, terminated, truncated, info

    def _encode(self, observation: Any) -> Floats:
        columns = observation_columns(observation)
        about = self._encoder.metadata
        latent = self._encoder.encode(columns[about.column])
        return np.concatenate([latent, *(entry.of(columns) for entry in about.appended)])

    def _observation(self, observation: Any) -> Any:
        encoded = np.concatenate(self._frames)
        return {**observation_columns(observation), self._encoder.metadata.column: encoded} if self._keep else encoded


def encoded(
    environment: Environment, *, encoder: str = "", encoder_frames: int = 1, encoder_keep: bool = False
) -> EncodedImage:
    """The environment with the encoder in a file, as environment arguments name it (see `make_environment`).

    Raises:
        EncoderError: the file is no encoder, or none for this environment.
    """
    if not encoder:
        raise EncoderError("encoder_frames or encoder_keep is given without an encoder: name its file, encoder=FILE")
    return EncodedImage(environment, Encoder(Path(encoder)), frames=encoder_frames, keep=encoder_keep)
