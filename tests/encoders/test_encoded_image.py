"""A worker's picture becomes a few floats, by a file that never changes."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.encoders.tiny_encoder import LATENT, mean_colours, metadata, write_tiny_encoder
from worker_service.encoders import EncodedImage, Encoder, EncoderError
from worker_service.environment import environment_spaces, make_environment

CAMERA = 64


@pytest.fixture
def encoder_file(tmp_path: Path) -> Path:
    return write_tiny_encoder(tmp_path / "tiny.onnx", metadata())


def racetrack(**arguments: Any) -> Any:
    return make_environment("Racetrack-v0", {"camera": CAMERA, "start": "standing", **arguments})


def test_the_latent_is_the_graphs(encoder_file: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (CAMERA, CAMERA, 3), np.uint8)
    latent = Encoder(encoder_file).encode(picture)
    assert latent.dtype == np.float32
    # Pixels of the shrunk picture are rounded, once a direction.
    assert np.abs(latent - mean_colours(picture)).max() < 1.0


def test_the_racetrack_is_seen_as_a_few_floats_and_the_file_stays_as_it_is(encoder_file: Path) -> None:
    before = encoder_file.read_bytes()
    bare, wrapped = racetrack(), racetrack(encoder=str(encoder_file))
    spaces = environment_spaces(wrapped)
    assert {name: str(box) for name, box in spaces.observation.items()} == {"observation": "float32 (4,)"}
    seen, encoded = bare.reset(seed=0)[0], wrapped.reset(seed=0)[0]
    speeds = []
    for _ in range(12):
        assert wrapped.observation_space.contains(encoded)
        assert np.abs(encoded[:LATENT] - mean_colours(seen["camera"])).max() < 1.0
        assert encoded[LATENT] == np.float32(0.5) * seen["observation"][0]
        speeds.append(encoded[LATENT])
        action = np.array([0.0, 1.0], np.float32)
        seen, encoded = bare.step(action)[0], wrapped.step(action)[0]
    assert speeds[-1] > speeds[0]
    wrapped.close()
    assert encoder_file.read_bytes() == before


def test_several_frames_are_kept_the_oldest_first(encoder_file: Path) -> None:
    one, three = racetrack(encoder=str(encoder_file)), racetrack(encoder=str(encoder_file), encoder_frames=3)
    singles = [one.reset(seed=0)[0]] * 3
    stacked = three.reset(seed=0)[0]
    for _ in range(5):
        assert three.observation_space.contains(stacked)
        np.testing.assert_array_equal(stacked, np.concatenate(singles[-3:]))
        action = np.array([0.1, 1.0], np.float32)
        singles.append(one.step(action)[0])
        stacked = three.step(action)[0]
    # Nothing of an episode is seen in the next.
    np.testing.assert_array_equal(three.reset(seed=1)[0], np.tile(one.reset(seed=1)[0], 3))


def test_other_columns_stay_where_asked(encoder_file: Path) -> None:
    wrapped = racetrack(encoder=str(encoder_file), encoder_keep=True)
    observation, _ = wrapped.reset(seed=0)
    assert wrapped.observation_space.contains(observation)
    assert {name: column.shape for name, column in observation.items()} == {"camera": (4,), "observation": (59,)}


def test_any_environment_is_wrapped_in_python(encoder_file: Path) -> None:
    wrapped = EncodedImage(racetrack(), Encoder(encoder_file))
    assert wrapped.reset(seed=0)[0].shape == (4,)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            {"camera": False},
            "the encoder takes the pictures 'camera', uint8; the environment's columns are observation",
        ),
        ({"camera": 32}, "pictures have the shape (32, 32, 3); the part that is kept takes at least (48, 64, 3)"),
        ({"encoder_frames": 0}, "encoder_frames is 0; it must be at least 1"),
        ({"encoder": ""}, "encoder_frames or encoder_keep is given without an encoder: name its file, encoder=FILE"),
    ],
)
def test_an_environment_that_does_not_fit_is_refused(
    encoder_file: Path, arguments: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(EncoderError, match=re.escape(sentence)):
        racetrack(**{"encoder": str(encoder_file), **arguments})


def test_an_appended_column_that_is_missing_is_named(tmp_path: Path) -> None:
    file = write_tiny_encoder(tmp_path / "tiny.onnx", metadata(appended={"observation:59": 1.0}))
    with pytest.raises(EncoderError, match="appends 'observation:59'; the environment's columns are camera, obs"):
        racetrack(encoder=str(file))


@pytest.mark.parametrize(
    ("about", "sentence"),
    [
        (None, "has no metadata 'distributed-l2r encoder', as an encoder must"),
        ("{", "is damaged (JSONDecodeError"),
        ("[]", "is damaged (TypeError"),
        (metadata(version=2), "is damaged (ValueError: its version is 2; 1 is known here)"),
        (metadata(framing={}), "is damaged (TypeError"),
        (metadata(latent=4), "its metadata says float32 (1, 4)"),
        (
            metadata(framing={"left": 0, "top": 0, "right": 8, "bottom": 8, "height": 8, "width": 8}),
            "does not encode what its metadata says, (8, 8, 3)",
        ),
    ],
)
def test_a_file_that_is_no_encoder_is_refused_in_one_sentence(
    tmp_path: Path, about: dict[str, Any] | str | None, sentence: str
) -> None:
    file = write_tiny_encoder(tmp_path / "tiny.onnx", about)
    with pytest.raises(EncoderError, match=re.escape(sentence)) as raised:
        Encoder(file)
    assert str(raised.value).endswith("make one with make encoder")
    assert "\n" not in str(raised.value)


def test_no_file_and_no_graph_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"absent\.onnx cannot be read \(No such file or directory\)"):
        Encoder(tmp_path / "absent.onnx")
    (tmp_path / "text.onnx").write_text("no graph")
    with pytest.raises(EncoderError, match="is no ONNX graph that runs here"):
        Encoder(tmp_path / "text.onnx")
