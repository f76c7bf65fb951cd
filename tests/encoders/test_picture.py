"""Pictures are cut where they should be, and their pixels become means of areas."""

import re

import gymnasium
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.racetrack.builders import make
from worker_service.encoders import FramedImage, Framing

WHOLE = {"left": 0, "top": 0, "right": 8, "bottom": 6, "height": 3, "width": 4}


@given(
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    parts=st.tuples(*[st.floats(0, 1) for _ in range(4)]),
    result=st.tuples(st.integers(1, 24), st.integers(1, 24)),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_part_becomes_any_size(
    size: tuple[int, int], parts: tuple[float, float, float, float], result: tuple[int, int], seed: int
) -> None:
    height, width = size
    top, left = int(parts[0] * (height - 1)), int(parts[1] * (width - 1))
    bottom, right = top + 1 + int(parts[2] * (height - top - 1)), left + 1 + int(parts[3] * (width - left - 1))
    framing = Framing(left=left, top=top, right=right, bottom=bottom, height=result[0], width=result[1])
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    framing.check(picture.shape)
    framed = framing.apply(picture)
    assert framed.shape == (*result, 3)
    assert framed.dtype == np.uint8
    part = picture[top:bottom, left:right]
    assert (framed >= part.min(axis=(0, 1))).all()
    assert (framed <= part.max(axis=(0, 1))).all()


def test_shrunk_pixels_are_the_means_of_their_areas() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    framing = Framing(left=2, top=4, right=26, bottom=20, height=8, width=8)
    means = picture[4:20, 2:26].reshape(8, 2, 8, 3, 3).mean(axis=(1, 3))
    # Rounded once a direction.
    assert np.abs(framing.apply(picture) - means).max() <= 1.0


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"left": 8}, "the part from (8, 0) to (8, 6) is empty"),
        ({"top": -1}, "the part from (0, -1) to (8, 6) is empty"),
        ({"height": 0}, "the size is 0 x 4 pixels; both must be at least 1"),
    ],
)
def test_an_empty_frame_is_refused(changes: dict[str, int], sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        Framing(**{**WHOLE, **changes})


def test_a_picture_without_the_part_is_refused() -> None:
    with pytest.raises(ValueError, match=re.escape("have the shape (6, 7, 3); the part that is kept takes at least")):
        Framing(**WHOLE).check((6, 7, 3))


def test_a_camera_is_framed_beside_other_columns() -> None:
    environment = make(camera=16)
    framed = FramedImage(environment, Framing(**WHOLE))
    assert isinstance(framed.observation_space, gymnasium.spaces.Dict)
    observation, _ = framed.reset(seed=0)
    assert framed.observation_space.contains(observation)
    assert observation["camera"].shape == (3, 4, 3)
    assert set(observation) == {"camera", "observation"}


def test_an_environment_without_pictures_is_refused() -> None:
    with pytest.raises(
        ValueError, match="the environment has no pictures 'camera', uint8; its columns are observation"
    ):
        FramedImage(make(), Framing(**WHOLE))
