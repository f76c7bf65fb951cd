import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from deploy.evaluate.__main__ import main
from tests.deploy.policies import save_idle_pendulum, save_policy, save_slow_driver

PICTURES = ("racing_line.png", "speed_over_distance.png", "lap_times.png")


def evaluation(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "evaluation.json").read_text())
    return content


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def save_spinner(folder: Path) -> None:
    """A policy that turns left at full throttle."""
    save_policy(
        folder,
        weight=np.zeros((59, 2), "f4"),
        bias=np.array([5.0, 5.0], "f4"),
        environment="Racetrack-v0",
        evaluation_arguments={"track": "kestrel", "start": "standing", "laps": 3, "max_steps": 200},
    )


@pytest.fixture(scope="module")
def two_seeds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of one policy twice, as if of two seeds."""
    folder = tmp_path_factory.mktemp("seeds")
    for name in ("a", "b"):
        save_slow_driver(folder / name / "best")
    policies = [str(folder / name / "best") for name in ("a", "b")]
    assert main([*policies, "--laps", "2", "--out", str(folder / "out")]) == 0
    return folder / "out"


def test_report_holds_every_lap_and_what_drove_it(two_seeds: Path) -> None:
    content = evaluation(two_seeds)
    assert content["command"].startswith("python -m deploy.evaluate ")
    assert content["command"].endswith(f"--laps 2 --out {two_seeds}")
    assert content["versions"]["scipy"].count(".") == 2
    assert (content["laps_asked"], content["seed"]) == (2, 0)
    for policy in content["policies"]:
        assert (policy["run_id"], policy["policy_version"], policy["training_step"]) == ("test", 7, 700)
        assert policy["trained_arguments"] == {"track": "kestrel", "start": "standing", "laps": 1}
        assert policy["driven_arguments"] == {"track": "kestrel", "start": "random", "laps": 5, "max_steps": None}
        assert policy["track"] == "kestrel"
        times = [lap["time_seconds"] for stint in policy["stints"] for lap in stint["laps"]]
        assert len(times) == policy["laps_clean"] == policy["laps_begun"] == 5
        assert policy["minimum_seconds"] == min(times)
        assert policy["median_seconds"] == sorted(times)[2]
        assert policy["completion"] == 1.0
        assert policy["endings"] == {"all_laps": 1}


def test_ratios_are_to_the_optimum(two_seeds: Path) -> None:
    for policy in evaluation(two_seeds)["policies"]:
        optimum = policy["optimum_lap_seconds"]
        assert 25 < optimum < 32
        assert policy["median_ratio"] == pytest.approx(policy["median_seconds"] / optimum)
        lap = policy["stints"][0]["laps"][0]
        assert lap["lap_ratio"] == pytest.approx(lap["time_seconds"] / optimum)


def test_aggregate_of_equal_seeds_is_what_each_one_drove(two_seeds: Path) -> None:
    content = evaluation(two_seeds)
    estimate = content["aggregate"]["interquartile_mean"]["median_seconds"]
    median = content["policies"][0]["median_seconds"]
    assert [estimate[name] for name in ("value", "low", "high")] == pytest.approx([median] * 3)
    assert content["aggregate"]["mean_completion"]["value"] == 1.0


def test_laps_are_lines_of_csv(two_seeds: Path) -> None:
    lines = rows(two_seeds / "laps.csv")
    assert [line["lap"] for line in lines] == ["1", "2", "3", "4", "5"] * 2
    assert {line["outcome"] for line in lines} == {"clean"}
    assert (
        float(lines[0]["time_seconds"]) == evaluation(two_seeds)["policies"][0]["stints"][0]["laps"][0]["time_seconds"]
    )


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_drawn(two_seeds: Path, name: str) -> None:
    with Image.open(two_seeds / name) as image:
        assert min(image.size) > 400
        colours = image.convert("RGB").getcolors(1 << 24)
    assert colours is not None
    assert len(colours) > 100


def test_track_is_overridden_and_one_without_an_optimum_leaves_its_figures_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_slow_driver(tmp_path / "best")
    angle = np.linspace(0, 2 * math.pi, 120, endpoint=False)
    circle = "".join(f"{80 * math.cos(a)},{80 * math.sin(a)},5,5\n" for a in angle)
    (tmp_path / "circle.csv").write_text("# x_m,y_m,w_tr_right_m,w_tr_left_m\n" + circle)
    out = tmp_path / "out"
    assert (
        main([str(tmp_path / "best"), "--track", str(tmp_path / "circle.csv"), "--laps", "1", "--out", str(out)]) == 0
    )
    (policy,) = evaluation(out)["policies"]
    assert policy["track"] == "circle"
    assert policy["laps_clean"] == 5
    assert (policy["optimum_lap_seconds"], policy["median_ratio"]) == (None, None)
    assert evaluation(out)["aggregate"] is None
    assert "ratio" not in capsys.readouterr().out
    assert all((out / name).exists() for name in PICTURES)


def test_lost_starts_are_said_and_leave_nothing_to_draw(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_spinner(tmp_path / "best")
    out = tmp_path / "out"
    assert main([str(tmp_path / "best"), "--laps", "3", "--out", str(out)]) == 0
    (policy,) = evaluation(out)["policies"]
    assert (policy["laps_begun"], policy["starts_lost"], policy["completion"]) == (0, 3, 0.0)
    assert [line["lap"] for line in rows(out / "laps.csv")] == ["0", "0", "0"]
    assert not any(line["time_seconds"] for line in rows(out / "laps.csv"))
    printed = capsys.readouterr().out
    assert "0/3" in printed
    assert "3 starts never reached the line" in printed
    assert not list(out.glob("*.png"))


def test_returns_are_published_where_there_are_no_laps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_idle_pendulum(tmp_path / "best")
    out = tmp_path / "out"
    assert main([str(tmp_path / "best"), "--laps", "4", "--seed", "5", "--out", str(out)]) == 0
    (policy,) = evaluation(out)["policies"]
    returns = [episode["episode_return"] for episode in policy["episode_list"]]
    assert len(returns) == policy["episodes"] == 4
    assert policy["mean_return"]["value"] == pytest.approx(np.mean(returns))
    assert policy["mean_return"]["low"] < policy["mean_return"]["value"] < policy["mean_return"]["high"]
    assert [line["steps"] for line in rows(out / "episodes.csv")] == ["200"] * 4
    assert "95 % interval" in capsys.readouterr().out
    assert not list(out.glob("*.png"))


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ([], "no policy is given"),
        (["absent"], "absent is no policy"),
        (["car", "car"], "policy car is given twice"),
        (["car", "./car"], "is given twice"),
        (["car", "--laps", "0"], "laps is 0; it must be at least 1"),
        (["car", "--seed", "-1"], "seed is -1; it must be at least 0"),
        (["car", "--track", "nowhere"], "track 'nowhere' is unknown"),
        (["car", "--track", "absent.csv"], "absent.csv"),
        (["car", "--env-wrapper", "nowhere:none"], "env wrapper 'nowhere:none' cannot be loaded"),
        (["car", "--out", "earlier"], "holds evaluation.json of an earlier evaluation"),
        (["car", "--out", "car/policy.json"], "out car/policy.json is a file"),
        (["pendulum", "--track", "kestrel"], "only Racetrack-v0 has tracks"),
        (["car", "pendulum"], "the policies drive Pendulum-v1 and Racetrack-v0"),
        (["stranger"], "stranger drives Nowhere-v0, which cannot be made here"),
        (["misfit"], "misfit cannot act in Pendulum-v1"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(
    flags: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    save_slow_driver(Path("car"))
    save_idle_pendulum(Path("pendulum"))
    weight, bias = np.zeros((5, 1), "f4"), np.zeros(1, "f4")
    save_policy(Path("stranger"), weight=weight, bias=bias, environment="Nowhere-v0")
    save_policy(Path("misfit"), weight=weight, bias=bias, environment="Pendulum-v1")
    Path("earlier").mkdir()
    Path("earlier/evaluation.json").touch()
    assert main(flags) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert sentence in error
    assert error.count("\n") == 1
    assert not Path("runs").exists()
