import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.deploy.policies import save_idle_pendulum, save_slow_driver
from tests.deploy.processes import ROOT
from worker_service.drive import DriveConfig, drive, main
from worker_service.saved_policy import DriveError, load_policy


def test_same_seed_gives_the_same_returns_again(tmp_path: Path) -> None:
    save_idle_pendulum(tmp_path)
    first, again = (drive(DriveConfig(policy=tmp_path, episodes=2, seed=4)) for _ in range(2))
    other = drive(DriveConfig(policy=tmp_path, seed=6))
    assert first == again
    assert first[0].steps == 200
    assert first[0].ending == "truncated"
    assert len({episode.episode_return for episode in [*first, *other]}) == 3


def test_lap_is_driven_and_every_step_traced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_slow_driver(tmp_path)
    (episode,) = drive(DriveConfig(policy=tmp_path, trace=tmp_path / "trace.csv"))
    (lap,) = episode.laps
    assert 100 < lap["time_seconds"] < 200
    with (tmp_path / "trace.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == episode.steps + 1
    assert [row["lap_seconds"] for row in rows if row["lap_seconds"]] == [repr(lap["time_seconds"])]
    assert float(rows[-1]["time_seconds"]) == pytest.approx(episode.steps / 10)
    points = np.array([[float(row["x_metres"]), float(row["y_metres"])] for row in rows])
    speeds = np.array([float(row["speed_metres_per_second"]) for row in rows])
    driven = np.hypot(*np.diff(points, axis=0).T)
    np.testing.assert_allclose(driven, 0.05 * (speeds[1:] + speeds[:-1]), atol=0.02)
    assert f"lap 1  {lap['time_seconds']:.3f} s" in capsys.readouterr().out


@pytest.mark.parametrize("same", [True, False])
def test_lap_is_compared_with_the_evaluation(tmp_path: Path, capsys: pytest.CaptureFixture[str], same: bool) -> None:
    save_slow_driver(tmp_path)
    (episode,) = drive(DriveConfig(policy=tmp_path))
    seconds = episode.laps[0]["time_seconds"]
    save_slow_driver(tmp_path, best_lap_seconds=seconds if same else seconds - 1)
    capsys.readouterr()
    drive(DriveConfig(policy=tmp_path))
    assert (", the same as in the evaluation" if same else ", not the evaluation's") in capsys.readouterr().out


def test_picture_is_the_environments_own(tmp_path: Path) -> None:
    save_slow_driver(tmp_path)
    drive(DriveConfig(policy=tmp_path, picture=tmp_path / "picture.png"))
    with Image.open(tmp_path / "picture.png") as image:
        assert image.size == (800, 600)


def test_environment_without_a_car_gives_no_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_idle_pendulum(tmp_path)
    assert main([str(tmp_path), "--trace", str(tmp_path / "trace.csv")]) == 1
    assert "leave --trace out" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["graph.onnx", "weights.safetensors", "policy.json"])
def test_folder_that_lacks_a_file_is_refused(tmp_path: Path, name: str) -> None:
    save_idle_pendulum(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(DriveError, match=r"is no policy .*must hold graph\.onnx"):
        load_policy(tmp_path)


def test_graph_of_another_run_is_refused(tmp_path: Path) -> None:
    save_idle_pendulum(tmp_path)
    about = json.loads((tmp_path / "policy.json").read_text())
    (tmp_path / "policy.json").write_text(json.dumps({**about, "graph_fingerprint": "0" * 64}))
    with pytest.raises(DriveError, match=r"policy\.json is about 0000"):
        load_policy(tmp_path)


def test_driving_needs_neither_torch_nor_matplotlib() -> None:
    program = (
        "import sys, worker_service.drive; print(sorted({'torch', 'matplotlib', 'learner_service'} & {*sys.modules}))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert ran.stdout == "[]\n"
