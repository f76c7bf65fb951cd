"""An autoencoder learns what it is shown, the same every time, and leaves as a file that says the same."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from deploy.encoder import __main__ as command
from deploy.encoder import frames as frames_command
from deploy.encoder.autoencoder import Autoencoder
from deploy.encoder.export import TOLERANCE, export_encoder
from deploy.encoder.training import TrainingConfig, reconstruction_error, train
from distrib_l2r.spaces import decode_spaces
from tests.bare_client import eventually
from tests.system.processes import fleet
from worker_service.encoders.appended import Appended
from worker_service.encoders.encoder import Encoder, EncoderMetadata
from worker_service.encoders.picture import Framing
from worker_service.environment import make_environment
from worker_service.recorded_episode import read_recording

SIZE = 16
CAMERA = 32


def roads(count: int, seed: int) -> NDArray[np.uint8]:
    """uint8 [count, 16, 16, 3]: a grey road of random place and slant on grass."""
    generator = np.random.default_rng(seed)
    place, slant = generator.uniform(0.2 * SIZE, 0.8 * SIZE, (2, count, 1, 1))
    rows, columns = np.mgrid[0:SIZE, 0:SIZE]
    middle = place + (slant - 0.5 * SIZE) * (rows / SIZE - 0.5)
    on_road = np.abs(columns - middle)[..., None] < SIZE / 8
    return np.where(on_road, [102, 102, 102], [102, 230, 102]).astype(np.uint8)


def silent(line: str) -> None:
    assert line


def metadata(latent: int) -> EncoderMetadata:
    framing = Framing(left=0, top=0, right=SIZE, bottom=SIZE, height=SIZE, width=SIZE)
    return EncoderMetadata(
        column="camera", framing=framing, latent=latent, appended=(Appended(column="observation", element=0),)
    )


@pytest.mark.slow
def test_the_road_is_found_again_in_pictures_never_seen() -> None:
    trained = train(roads(2000, 0), TrainingConfig(latent=8, epochs=12), silent)
    unseen = roads(200, 1)
    # The mean picture's error is the spread of the pixels themselves.
    spread = float(np.sqrt((unseen / 255.0 - (roads(2000, 0) / 255.0).mean(axis=0)).var()))
    assert reconstruction_error(trained, unseen) < 0.6 * spread


@pytest.mark.slow
def test_the_same_seed_gives_the_same_encoder_and_another_one_another() -> None:
    def weights(seed: int) -> NDArray[np.float32]:
        trained = train(roads(64, 0), TrainingConfig(latent=4, epochs=1, seed=seed), silent)
        return torch.cat([weight.flatten() for weight in trained.state_dict().values()]).numpy()

    np.testing.assert_array_equal(weights(0), weights(0))
    assert not np.array_equal(weights(0), weights(1))


@pytest.mark.slow
def test_a_file_says_what_torch_says_and_carries_all_that_a_worker_needs(tmp_path: Path) -> None:
    torch.manual_seed(0)
    encoder = Autoencoder(SIZE, SIZE, 32).encoder.eval()
    pictures = roads(5, 0)
    assert export_encoder(encoder, metadata(32), pictures, tmp_path / "new" / "encoder.onnx") <= TOLERANCE
    read = Encoder(tmp_path / "new" / "encoder.onnx")
    assert read.metadata == metadata(32)
    with torch.no_grad():
        means = encoder(torch.from_numpy(pictures))[0].numpy()
    for picture, mean in zip(pictures, means, strict=True):
        np.testing.assert_allclose(read.encode(picture), mean, atol=TOLERANCE)


@pytest.mark.slow
def test_frames_become_an_encoder_by_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames, file = tmp_path / "frames", tmp_path / "racetrack.onnx"
    environment = ["--env", "Racetrack-v0", "--env-args", f"camera={CAMERA}"]
    flags = ["--steps", "300", "--episode-steps", "60", "--out", str(frames)]
    assert frames_command.main([*environment, *flags]) == 0
    recordings = [read_recording(path) for path in sorted(frames.glob("*.h5"))]
    assert sum(recording.steps for recording in recordings) == 300
    actions = np.concatenate([recording.action for recording in recordings])
    # Held, and varied.
    assert 30 < len(np.unique(actions, axis=0)) < 200
    flags = ["--out", str(file), "--append", "observation:0", "--size", "16", "32", "--crop", "0", "8", "32", "32"]
    assert command.main([str(frames), *flags, "--training.epochs", "1"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"held-out reconstruction error 0\.\d+", said)
    with Image.open(tmp_path / "racetrack.png") as picture:
        assert picture.size == (command.SHOWN * 32, 2 * 16)
    environment_made = make_environment("Racetrack-v0", {"camera": CAMERA, "encoder": str(file)})
    assert environment_made.reset(seed=0)[0].shape == (33,)
    (appended,) = Encoder(file).metadata.appended
    largest = max(np.abs(recording.observation["observation"][:, 0]).max() for recording in recordings)
    assert appended.factor == pytest.approx(1.0 / largest)


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--size", "20", "32"), "size is (20, 32); both must be multiples of 16"),
        (("--training.epochs", "0"), "epochs is 0; it must be at least 1"),
        (("--held-out", "1"), "held_out is 1; it must lie between 0 and 1"),
    ],
)
def test_what_cannot_be_trained_is_said_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...], sentence: str
) -> None:
    assert command.main([str(tmp_path), *flags]) == 2
    assert capsys.readouterr().err == f"error: {sentence}\n"


def test_a_folder_without_recordings_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([str(tmp_path)]) == 1
    assert "holds 0 recordings; at least 2 are needed, one to hold out" in capsys.readouterr().err


@pytest.mark.slow
def test_recordings_without_pictures_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--steps", "4", "--episode-steps", "2", "--out", str(tmp_path)]
    assert frames_command.main(["--env", "Racetrack-v0", *flags]) == 0
    assert command.main([str(tmp_path)]) == 1
    assert "has no pictures 'camera'; its columns are observation" in capsys.readouterr().err


@pytest.mark.slow
def test_a_worker_with_an_encoder_pushes_33_floats_to_a_learner(tmp_path: Path) -> None:
    torch.manual_seed(0)
    file = tmp_path / "encoder.onnx"
    export_encoder(Autoencoder(SIZE, SIZE, 32).encoder.eval(), metadata(32), roads(2, 0), file)
    before = file.read_bytes()
    with fleet(tmp_path) as processes:
        client = processes.start_learner(
            *(
                "--env",
                "Racetrack-v0",
                "--env-args",
                f"camera={CAMERA}",
                f"encoder={file}",
                "--run-dir",
                f"{tmp_path}/run",
            )
        )
        processes.start_worker()
        eventually(lambda: client.status().transitions > 200, "it drives", 120)
        joined = client.join(spaces=None)
        columns = decode_spaces(joined.spaces).observation
        assert {name: str(box) for name, box in columns.items()} == {"observation": "float32 (33,)"}
    assert file.read_bytes() == before
