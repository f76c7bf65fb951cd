from pathlib import Path

import pytest

from tests.racetrack.builders import drive, make
from worker_service.simulators.racetrack.circuits import CIRCUITS
from worker_service.simulators.racetrack.driver import Driver
from worker_service.simulators.racetrack.optimum import CACHE_VARIABLE, find_optimum
from worker_service.simulators.racetrack.vehicle import Vehicle

# The flying lap of pure pursuit in seconds.
LAPS = {"kestrel": 34.08, "larkfield": 52.14, "northmoor": 71.07, "thornwood": 46.90}


def test_every_circuit_has_a_lap_to_compare_with() -> None:
    assert LAPS.keys() == CIRCUITS.keys()


@pytest.mark.parametrize("name", CIRCUITS)
def test_driver_laps_cleanly_from_a_standing_start(name: str) -> None:
    environment = make(track=name, start="standing", laps=2)
    environment.reset(seed=0)
    result = drive(environment, Driver(environment.track).act)
    assert not result.terminated
    assert result.metrics["laps_completed"] == 2.0
    assert result.metrics["laps_started"] == 2.0
    standing, flying = result.laps
    assert (standing["standing_start"], flying["standing_start"]) == (True, False)
    assert (standing["number"], flying["number"]) == (1, 2)
    assert flying["time_seconds"] == pytest.approx(LAPS[name], abs=0.2)
    optimum = find_optimum(environment.track, Vehicle())
    assert optimum is not None
    assert flying["optimum_lap_seconds"] == optimum.flying_lap_seconds
    assert standing["optimum_lap_seconds"] == optimum.standing_lap_seconds
    for lap in result.laps:
        assert lap["lap_ratio"] == lap["time_seconds"] / lap["optimum_lap_seconds"]
        assert 1.05 < lap["lap_ratio"] < 1.25
    assert standing["time_seconds"] > flying["time_seconds"] + 1.0
    for lap in result.laps:
        assert sum(lap["sector_times_seconds"]) == pytest.approx(lap["time_seconds"], abs=1e-9)


def test_flying_laps_of_the_same_driver_take_the_same_time() -> None:
    environment = make(track="thornwood", start="standing", laps=4)
    environment.reset(seed=0)
    result = drive(environment, Driver(environment.track).act)
    times = [lap["time_seconds"] for lap in result.laps[1:]]
    assert max(times) - min(times) < 0.05, "differs by less than a control step, so the line is interpolated"
    total = sum(lap["time_seconds"] for lap in result.laps)
    assert 0.0 <= result.metrics["duration_seconds"] - total < 0.1 + 1e-9


@pytest.mark.parametrize("seed", [1, 5])
def test_driver_laps_random_tracks_without_a_known_optimum(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    environment = make(track=f"random:{seed}", laps=1)
    environment.reset(seed=seed)
    result = drive(environment, Driver(environment.track).act)
    assert not result.terminated
    assert not {"optimum_lap_seconds", "lap_ratio"} & result.laps[0].keys(), "nobody has computed it"
    assert not result.laps[0]["standing_start"]
