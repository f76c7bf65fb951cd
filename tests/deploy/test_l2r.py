import json
from pathlib import Path

import numpy as np
import pytest

from deploy.evaluate.l2r import CAVEAT, DRIVER_NAME, EMULATOR_CAVEAT, L2RConfig, circuit_name, evaluate, main
from deploy.evaluate.published import PUBLISHED
from tests.deploy.policies import save_idle_pendulum, save_policy, save_slow_driver
from tests.racetrack.builders import circle_track, needs_l2r_maps
from worker_service.simulators.racetrack.track_csv import write_track


def test_policy_and_driver_are_driven_over_one_lap_and_over_all(tmp_path: Path) -> None:
    save_slow_driver(tmp_path)
    write_track(circle_track(radius_metres=60.0), tmp_path / "ring.csv")
    episodes = evaluate(L2RConfig(policy=tmp_path, track=str(tmp_path / "ring.csv"), laps=2))
    assert [(e.driver, e.laps_asked) for e in episodes] == [
        ("policy version 7", 1),
        (DRIVER_NAME, 1),
        ("policy version 7", 2),
        (DRIVER_NAME, 2),
    ]
    for episode in episodes:
        assert episode.track == "ring"
        assert episode.ending == "finished"
        assert len(episode.lap_times_seconds) == episode.laps_asked
        metrics = episode.metrics
        assert metrics.completion_percent == 100.0
        assert 0.0 <= metrics.duration_seconds - sum(episode.lap_times_seconds) < 0.1 + 1e-9
        assert metrics.displacement_metres < 5.0
    one, _, two, _ = episodes
    assert (two.metrics.completion_within_bounds_percent, two.metrics.admissibility) == (100.0, 1.0)
    assert one.lap_times_seconds[0] == two.lap_times_seconds[0], "the first lap is the same"
    # The slow driver holds 14 m/s on a circle.
    assert two.metrics.speed_kilometres_per_hour == pytest.approx(14.0 * 3.6, rel=0.1)
    assert two.metrics.efficiency == pytest.approx(1.0, abs=0.05)


@needs_l2r_maps
@pytest.mark.slow
@pytest.mark.parametrize("circuit", ["thruxton", "anglesey"])
def test_both_drivers_keep_all_wheels_on_real_circuits(tmp_path: Path, circuit: str) -> None:
    save_slow_driver(tmp_path)
    for episode in evaluate(L2RConfig(policy=tmp_path, track=f"l2r:{circuit}")):
        assert episode.ending == "finished"
        assert (episode.metrics.completion_within_bounds_percent, episode.metrics.admissibility) == (100.0, 1.0)


@pytest.mark.slow
def test_policy_behind_the_wire_is_driven_beside_the_driver(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_track(circle_track(radius_metres=60.0, clockwise=True), tmp_path / "ring.csv")
    # The slow driver of the racetrack, which sees the same 59 numbers here.
    weight = np.zeros((59, 2), "f4")
    weight[[0, 1, 15], 0] = [-0.3, -1.0, 8.0]
    weight[3, 1] = -20.0
    save_policy(
        tmp_path,
        weight=weight,
        bias=np.array([0.0, 5.6], "f4"),
        environment="worker_service.simulators:LearnToRace-v0",
        evaluation_arguments={"track": str(tmp_path / "ring.csv"), "start": "standing"},
    )
    out = tmp_path / "results.json"
    assert main([str(tmp_path), "--out", str(out)]) == 0
    kept = json.loads(out.read_text())
    assert [episode["ending"] for episode in kept["episodes"]] == ["finished", "finished"]
    for episode in kept["episodes"]:
        assert episode["metrics"]["completion_percent"] == pytest.approx(100.0, abs=0.5)
        assert episode["metrics"]["admissibility"] == 1.0
    assert kept["caveat"] == EMULATOR_CAVEAT
    assert EMULATOR_CAVEAT in " ".join(capsys.readouterr().out.split())


def test_results_are_printed_and_kept_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_slow_driver(tmp_path)
    out = tmp_path / "results.json"
    assert main([str(tmp_path), "--out", str(out)]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "Learn-to-Race's metrics on kestrel" in printed
    assert CAVEAT in printed
    kept = json.loads(out.read_text())
    assert kept["track"] == "kestrel"
    assert kept["published"] == []
    assert kept["episodes"][0]["metrics"]["completion_percent"] == 100.0


def test_policy_that_drives_off_keeps_what_it_completed(tmp_path: Path) -> None:
    weight = np.zeros((59, 2), "f4")
    weight[3, 1] = -20.0  # Straight on at 10 m/s.
    save_policy(
        tmp_path,
        weight=weight,
        bias=np.array([0.0, 4.0], "f4"),
        environment="worker_service.simulators.racetrack:Racetrack-v0",
        evaluation_arguments={"track": "larkfield"},
    )
    straight, driver = evaluate(L2RConfig(policy=tmp_path))
    assert straight.ending == "off_track"
    assert straight.lap_times_seconds == []
    # Off the track at the end of the first straight; the wheels are off before the car's centre is.
    metrics = straight.metrics
    assert 5.0 < metrics.completion_within_bounds_percent < metrics.completion_percent < 30.0
    assert metrics.admissibility < 1.0
    assert driver.ending == "finished"


def test_published_results_are_found_by_circuit() -> None:
    assert [row.name for row in PUBLISHED[circuit_name("l2r:thruxton")]] == [
        "human expert",
        "MPC",
        "SAC",
        "SPAR",
        "UniTeam",
    ]
    assert circuit_name("l2r:thruxton-official") == "thruxton"
    assert circuit_name("kestrel") == "kestrel"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--laps", "0"], "laps is 0; it must be at least 1"),
        (["--track", "monza"], "track 'monza' is unknown"),
        (["--env-wrapper", "nowhere:nothing"], "env wrapper 'nowhere:nothing' cannot be loaded"),
    ],
)
def test_wrong_argument_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    save_slow_driver(tmp_path)
    assert main([str(tmp_path), *arguments]) == 1
    assert message in capsys.readouterr().err


def test_policy_of_another_environment_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_idle_pendulum(tmp_path)
    assert main([str(tmp_path)]) == 1
    assert "the policy drives Pendulum-v1; only one of Racetrack-v0 or LearnToRace-v0" in capsys.readouterr().err
