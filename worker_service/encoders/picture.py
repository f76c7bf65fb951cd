"""Pictures cut and shrunk."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Picture = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Framing:
    """What of a picture is kept, and how large it becomes.

    Attributes:
        left, top, right, bottom: of the part that is kept, pixels; right and bottom are past its last.
        height, width: of the result, pixels.

    Raises:
        ValueError: the part or the result is empty.
    """

    left: int
    top: int
    right: int
    bottom: int
    height: int
    width: int

    def __post_init__(self) -> None:
        if not (0 <= self.left < self.right and 0 <= self.top < self.bottom):
            raise ValueError(
                f"the part from ({self.left}, {self.top}) to ({self.right}, {self.bottom}) is empty; left must be "
                "below right and top below bottom, from 0 on"
            )
        if self.height < 1 or self.width < 1:
            raise ValueError(f"the size is {self.height} x {self.width} pixels; both must be at least 1")

    def check(self, shape: tuple[int, ...]) -> None:
        """Whether pictures of this shape have that part.

        Raises:
            ValueError: they have not, or are no uint8 [H, W, 3].
        """
        if len(shape) != 3 or shape[2] != 3 or shape[0] < self.bottom or shape[1] < self.right:
            raise ValueError(
                f"pictures have the shape {shape}; the part that is kept takes at least ({self.bottom}, "
                f"{self.right}, 3): use the camera that the encoder was made for"
            )

    def apply(self, picture: Picture) -> Picture:
        """uint8 [height, width, 3]: each pixel the mean of the area that it covers in `picture`, uint8 [H, W, 3]."""
        box = (self.left, self.top, self.right, self.bottom)
        size = (self.width, self.height)
        return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX, box=box))
