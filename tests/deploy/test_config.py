from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deploy.local.config import Config, ConfigError, Programs


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"minutes": 0.0}, "minutes is 0; it must be above 0"),
        ({"minutes": float("nan")}, "minutes is nan; it must be above 0"),
        ({"workers": 0}, "workers is 0; it must be at least 1"),
        ({"seed": -1}, "seed is -1; it must be at least 0"),
        ({"track": "kestrel", "env": "Pendulum-v1"}, "only Racetrack-v0, Torcs-v0 and LearnToRace-v0 have tracks"),
        ({"track": "nowhere"}, "track 'nowhere' is unknown"),
        ({"track": "missing.csv"}, "missing.csv"),
    ],
)
def test_invalid_option_is_refused_with_its_rule(options: dict[str, Any], rule: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rule):
        Config(run_dir=tmp_path, **options)


def test_directory_of_an_earlier_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "summary.json").touch()
    with pytest.raises(ConfigError, match=r"holds summary\.json of an earlier run"):
        Config(run_dir=tmp_path)


def test_learner_gets_seed_environment_and_track() -> None:
    command = Programs().learner_command(Config(track="kestrel", seed=5, run_dir=Path("somewhere")))
    assert command[1:3] == ["-m", "learner_service"]
    flags = dict(zip(command[3::2], command[4::2], strict=True))
    assert flags == {
        "--port": "0",
        "--address-file": "somewhere/learner.json",
        "--run-dir": "somewhere",
        "--seed": "5",
        "--env": "Racetrack-v0",
        "--env-args": "track=kestrel",
    }


def test_track_file_is_given_by_its_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    angle = np.linspace(0, 2 * np.pi, 100, endpoint=False)
    circle = "".join(f"{80 * np.cos(a)},{80 * np.sin(a)},5,5\n" for a in angle)
    (tmp_path / "circle.csv").write_text("# x_m,y_m,w_tr_right_m,w_tr_left_m\n" + circle)
    monkeypatch.chdir(tmp_path)
    command = Programs().learner_command(Config(track="circle.csv", run_dir=Path("somewhere")))
    assert command[-1] == f"track={tmp_path}/circle.csv"


def test_track_is_the_default_circuit_of_the_racetrack_and_none_elsewhere() -> None:
    assert Config().track_name == "larkfield"
    assert Config(env="worker_service.simulators.racetrack:Racetrack-v0", track="kestrel").track_name == "kestrel"
    assert Config(env="Pendulum-v1").track_name is None


def test_learn_to_race_is_trained_from_anywhere_and_judged_from_the_start() -> None:
    # A track of the racetrack's, which its emulator has too; the published maps may not be installed.
    command = Programs().learner_command(Config(env="LearnToRace-v0", track="kestrel", run_dir=Path("somewhere")))
    assert command[-4:] == ["--env-args", "track=kestrel", "start=random", "max_steps=1000"]
    assert command[-9:-4] == [
        "--evaluation-env-args",
        "start=standing",
        "max_steps=5000",
        "--evaluation-episodes",
        "1",
    ]
    with pytest.raises(ConfigError, match="track 'monza' is unknown"):
        Config(env="LearnToRace-v0", track="monza", run_dir=Path("somewhere"))


def test_track_of_torcs_is_one_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for part in ("libraries/drivers/scr/scr.so", "libraries/lib/libraceengine.so"):
        (tmp_path / part).parent.mkdir(parents=True)
        (tmp_path / part).touch()
    for track in ("g-track-1", "forza"):
        (tmp_path / "data" / "tracks" / "road" / track).mkdir(parents=True)
    monkeypatch.setenv("DISTRIB_L2R_TORCS", str(tmp_path))
    assert Config(env="Torcs-v0").track_name == "g-track-1"
    command = Programs().learner_command(Config(env="Torcs-v0", track="forza", run_dir=Path("somewhere")))
    assert command[-4:] == ["--env", "Torcs-v0", "--env-args", "track=forza"]
    with pytest.raises(
        ConfigError, match="track is 'kestrel', which TORCS does not have; it must be one of forza, g-tra"
    ):
        Config(env="Torcs-v0", track="kestrel")


def test_torcs_that_is_not_installed_is_told_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISTRIB_L2R_TORCS", str(tmp_path))
    with pytest.raises(ConfigError, match="run make torcs"):
        Config(env="Torcs-v0")
    elsewhere = "--env-args track=forza host=simulators port=3001"
    assert Config(env="Torcs-v0", learner_flags=elsewhere).races


def test_more_flags_reach_the_learner_as_a_shell_would_split_them() -> None:
    config = Config(learner_flags="--discount 0.99 --run-id 'two words'", run_dir=Path("somewhere"))
    assert Programs().learner_command(config)[-4:] == ["--discount", "0.99", "--run-id", "two words"]


def test_flags_that_no_shell_could_split_are_refused() -> None:
    with pytest.raises(ConfigError, match="close its quotes"):
        Config(learner_flags="--run-id 'open", run_dir=Path("somewhere"))


def test_a_run_is_only_gone_on_with_on_demand(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    with pytest.raises(ConfigError, match=r"must not be overwritten: give another RUN_DIR, or RESUME=1"):
        Config(run_dir=tmp_path)
    assert Config(run_dir=tmp_path, resume=True).resume
    with pytest.raises(ConfigError, match=r"holds no run to go on with"):
        Config(run_dir=tmp_path / "logs", resume=True)
