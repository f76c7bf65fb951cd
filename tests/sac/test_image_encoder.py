import logging

import numpy as np
import pytest
import torch
from torch.nn import functional

from distrib_l2r.spaces import Box, Spaces
from learner_service.sac.actor import Actor
from learner_service.sac.image_encoder import ImageEncoder, Trunk, encoded_columns
from learner_service.sac.sac import SAC
from tests.sac.builders import box, image_spaces, random_batch, small_config


def picture(*shape: int, dtype: str = "uint8") -> Box:
    return box(*shape, low=0, high=255, dtype=dtype)


@pytest.mark.parametrize(
    ("column", "image"),
    [
        (picture(32, 32, 3), True),
        (picture(64, 96, 1), True),
        (picture(3, 48, 64, 3), True),
        (picture(31, 64, 3), False),
        (picture(64, 31, 3), False),
        (picture(64, 64), False),
        (picture(3, 64, 64), False),
        (picture(64, 64, 3, dtype="float32"), False),
        (picture(64, 64, 3, dtype="int64"), False),
    ],
    ids=str,
)
def test_images_are_told_by_shape_and_dtype(column: Box, image: bool) -> None:
    assert bool(encoded_columns({"camera": column}, small_config())) == image
    assert not encoded_columns({"camera": column}, small_config(image_encoder=False))


@pytest.mark.parametrize("shape", [(3, 64, 64), (84, 84)])
def test_whoever_lays_images_out_otherwise_is_told(shape: tuple[int, ...], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        encoded_columns({"camera": picture(*shape)}, small_config())
    assert f"taken for {np.prod(shape)} numbers, not for an image" in caplog.text


def test_convolutions_see_pixels_between_minus_and_plus_a_half() -> None:
    config = small_config(encoder_channels=(4,), encoder_strides=(1,))
    encoder = ImageEncoder({"camera": picture(34, 32, 3)}, config)
    convolution = encoder.stacks[0][0]  # type: ignore[index]
    images = torch.randint(0, 256, (2, 34, 32, 3), dtype=torch.uint8)
    encoded = encoder({"camera": images})
    assert encoded.shape == (2, encoder.size) == (2, 4 * 32 * 30)
    by_hand = torch.zeros(2, 4, 32, 30)
    for down in range(3):
        for right in range(3):
            seen = images[:, down : down + 32, right : right + 30].double() / 255 - 0.5
            by_hand += torch.einsum("bhwc,oc->bohw", seen.float(), convolution.weight[:, :, down, right].detach())
    torch.testing.assert_close(encoded, functional.relu(by_hand).flatten(1), rtol=1e-4, atol=1e-5)


def test_frames_are_channels() -> None:
    config = small_config()
    stacked, wide = (ImageEncoder({"camera": picture(*shape)}, config) for shape in ((3, 32, 36, 2), (32, 36, 6)))
    wide.load_state_dict(stacked.state_dict())
    frames = torch.randint(0, 256, (4, 3, 32, 36, 2), dtype=torch.uint8)
    channels = torch.cat(list(frames.unbind(1)), 3)
    torch.testing.assert_close(stacked({"camera": frames}), wide({"camera": channels}), rtol=0, atol=0)


def test_the_trunk_bounds_what_it_makes() -> None:
    features = Trunk(20, 5)(1e3 * torch.randn(8, 20))
    assert features.shape == (8, 5)
    assert features.abs().max() <= 1
    torch.testing.assert_close(features.atanh().mean(1), torch.zeros(8), rtol=0, atol=1e-4)


def test_an_image_of_which_strides_leave_nothing_is_refused() -> None:
    config = small_config(encoder_channels=(4,) * 5, encoder_strides=(2,) * 5)
    with pytest.raises(ValueError, match=r"'camera' is uint8 \(32, 64, 3\); convolutions .* leave nothing of it"):
        ImageEncoder({"camera": picture(32, 64, 3)}, config)


@pytest.mark.parametrize(
    ("setting", "value", "rule"),
    [
        ("encoder_channels", (), "each convolution needs both, at least 1"),
        ("encoder_channels", (4, 4, 4), "each convolution needs both, at least 1"),
        ("encoder_strides", (2, 0), "each convolution needs both, at least 1"),
        ("encoder_features", 0, "encoder_features is 0; it must be at least 1"),
        ("random_shift_pixels", -1, "random_shift_pixels is -1; it must be at least 0"),
    ],
)
def test_settings_out_of_range_are_refused(setting: str, value: object, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        small_config(**{setting: value})


def test_numbers_alone_are_normalised() -> None:
    spaces = image_spaces()
    sac = SAC(spaces, small_config())
    observation = random_batch(spaces, 50).observation
    sac.calibrate(observation, np.ones(50, np.float32))
    assert sac.actor.features.names == ("speed", "map")
    assert sac.actor.features.mean.shape == (2 + 4 * 5,)
    np.testing.assert_allclose(sac.actor.features.mean[:2], observation["speed"].mean(0), rtol=1e-4)


def test_without_an_encoder_pixels_are_numbers() -> None:
    spaces = image_spaces()
    sac = SAC(spaces, small_config(image_encoder=False))
    assert sac.actor.encoder is None
    assert sac.actor.features.size == sum(int(np.prod(box.shape)) for box in spaces.observation.values())


def test_acting_shifts_nothing() -> None:
    spaces: Spaces = image_spaces()
    actor = Actor(spaces, small_config(random_shift_pixels=4))
    observation = {name: torch.from_numpy(column) for name, column in random_batch(spaces, 3).observation.items()}
    actions = [actor(observation, torch.zeros(3, 2)) for _ in range(3)]
    assert torch.equal(actions[0], actions[1])
    assert torch.equal(actions[0], actions[2])
