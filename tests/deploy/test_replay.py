"""A recording as pictures."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from PIL import Image

from deploy.replay import MOST_FRAMES, ReplayConfig, main, replay
from tests.racetrack.builders import make
from worker_service.recording import RecordedEnvironment, Recorder
from worker_service.simulators.racetrack.driver import Driver


def record(
    folder: Path, environment: Any, *, name: str, arguments: str = "{}", act: Callable[[Any], Any], steps: int
) -> Path:
    about = {"environment": name, "arguments": arguments}
    with closing(Recorder(folder, name="test", about=about)) as recorder:
        recorded = RecordedEnvironment(environment, recorder, lambda: 4)
        recorded.reset(seed=0)
        for _ in range(steps):
            _, _, terminated, truncated, _ = recorded.step(act(environment))
            if terminated or truncated:
                break
    (path,) = folder.glob("*.h5")
    return path


@pytest.mark.slow
def test_lap_becomes_a_line_and_a_moving_picture(tmp_path: Path) -> None:
    environment = make(track="kestrel", start="standing", laps=1)
    driver = Driver(environment.track)
    path = record(
        tmp_path / "in",
        environment,
        name="Racetrack-v0",
        arguments='{"track": "kestrel"}',
        act=lambda car: driver.act(car.state),
        steps=1000,
    )
    line, film = replay(ReplayConfig(recording=path, out=tmp_path / "out", faster=2.0))
    assert (line.suffix, film.suffix) == (".png", ".gif")
    with Image.open(line) as picture:
        assert picture.size[0] > 800
    with Image.open(film) as moving:
        frames, duration = moving.n_frames, moving.info["duration"]  # type: ignore[attr-defined]
        first = np.asarray(moving.convert("RGB"))
        moving.seek(frames // 2)
        assert (np.asarray(moving.convert("RGB")) != first).any()
    assert 50 < frames <= MOST_FRAMES
    assert duration == pytest.approx(100, abs=60)


def test_pictures_that_were_seen_are_shown(tmp_path: Path) -> None:
    environment = make(track="random:0-3", camera=32)
    path = record(
        tmp_path,
        environment,
        name="Racetrack-v0",
        arguments='{"track": "random:0-3", "camera": 32}',
        act=lambda _: np.array([0.0, 0.2], np.float32),
        steps=12,
    )
    (film,) = replay(ReplayConfig(recording=path))
    with Image.open(film) as moving:
        assert moving.size == (32, 32)


def test_nothing_to_show_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pendulum = gymnasium.make("Pendulum-v1")
    path = record(tmp_path, pendulum, name="Pendulum-v1", act=lambda car: car.action_space.sample(), steps=5)
    assert main([str(path)]) == 1
    assert "holds neither pictures nor places on a known track" in capsys.readouterr().err
    assert main([str(path), "--faster", "0"]) == 1
    assert "faster is 0; it must be above 0" in capsys.readouterr().err
