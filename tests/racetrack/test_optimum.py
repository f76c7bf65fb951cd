from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from tests.racetrack.builders import circle_track
from worker_service.simulators.racetrack.catalogue import find_track
from worker_service.simulators.racetrack.circuits import CIRCUITS
from worker_service.simulators.racetrack.optimum import (
    CACHE_VARIABLE,
    OptimalLine,
    Optimum,
    cached_file,
    find_optimum,
    fingerprint,
    write_optimum,
)
from worker_service.simulators.racetrack.track import Track
from worker_service.simulators.racetrack.vehicle import Vehicle, derivatives

SHIPPED = [*CIRCUITS, "random:1001", "random:1002"]


def shipped(name: str) -> tuple[Track, Optimum]:
    track = find_track(name)
    optimum = find_optimum(track, Vehicle())
    assert optimum is not None, f"the optimum of {name} is stale or missing: run make optima"
    return track, optimum


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    return tmp_path


def made_up() -> Optimum:
    line = OptimalLine(*(np.arange(5.0) + i for i, _ in enumerate(fields(OptimalLine))))
    return Optimum(30.0, 33.5, 28.25, 4.0, line)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_optimum_is_of_the_track_and_car_of_today_and_above_its_bound(name: str) -> None:
    _, optimum = shipped(name)
    assert optimum.bound_lap_seconds < optimum.flying_lap_seconds < optimum.standing_lap_seconds
    assert optimum.flying_lap_seconds < 1.15 * optimum.bound_lap_seconds


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_line_stays_on_the_track_and_ends_as_it_begins(name: str) -> None:
    track, optimum = shipped(name)
    line = optimum.line
    at = np.linspace(0.0, track.length_metres, len(track.stations))
    left, right = (np.interp(line.arc_metres, at, track.stations[n]) for n in ("left_width", "right_width"))
    assert (line.offset_metres < left + 1e-3).all()
    assert (line.offset_metres > -right - 1e-3).all()
    spacing = np.diff(line.arc_metres)
    assert spacing.max() < 4.5
    np.testing.assert_allclose(spacing, track.length_metres / len(line.arc_metres), atol=1e-4)
    assert abs(line.forward_metres_per_second[0] - line.forward_metres_per_second[-1]) < 2.0
    assert line.time_seconds[0] == 0.0
    assert line.time_seconds[-1] < optimum.flying_lap_seconds


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_line_obeys_the_equations_of_the_car(name: str) -> None:
    _, optimum = shipped(name)
    line, p = optimum.line, Vehicle().record()[0]
    states = np.stack(
        [
            line.forward_metres_per_second,
            line.sideways_metres_per_second,
            line.yaw_rate_radians_per_second,
            line.steer_radians,
        ],
        axis=1,
    )
    slopes = np.array(
        [
            derivatives((0.0, 0.0, 0.0, *row), 0.0, command, p)[3:6]
            for row, command in zip(states.tolist(), line.command.tolist(), strict=True)
        ]
    )
    seconds = np.diff(line.time_seconds)[:, None]
    change = np.diff(states[:, :3], axis=0)
    missed = change - 0.5 * seconds * (slopes[1:] + slopes[:-1])
    # Where the command jumps within a step the trapezium does not fit; elsewhere it does.
    assert np.median(np.abs(missed), axis=0).max() < 0.02
    assert (np.quantile(np.abs(missed), 0.9, axis=0) < (0.3, 0.2, 0.15)).all()


def test_optimum_of_another_car_or_track_is_not_known(cache: Path) -> None:
    track = find_track("thornwood")
    assert find_optimum(track, Vehicle(power_watts=299_000.0)) is None
    assert find_optimum(circle_track(), Vehicle()) is None
    moved = Track(track.name, track.centre_line, track.left_width, track.right_width + 0.01)
    assert fingerprint(moved, Vehicle()) != fingerprint(track, Vehicle())


def test_optimum_kept_in_the_cache_folder_is_found_from_then_on(cache: Path) -> None:
    track = circle_track()
    path = cached_file(fingerprint(track, Vehicle()))
    assert path.parent == cache
    assert find_optimum(track, Vehicle()) is None
    write_optimum(made_up(), track, Vehicle(), path)
    found = find_optimum(track, Vehicle())
    assert found is not None
    assert found.lap_seconds(standing_start=False) == 30.0
    assert found.lap_seconds(standing_start=True) == 33.5
    assert (found.bound_lap_seconds, found.spacing_metres) == (28.25, 4.0)
    for field in fields(OptimalLine):
        np.testing.assert_array_equal(getattr(found.line, field.name), getattr(made_up().line, field.name))
    assert find_optimum(track, Vehicle()) is found, "a lap must not read a file"
    assert not list(cache.glob("*.new"))


@pytest.mark.parametrize("damage", ["no_column", "no_time", "text"])
def test_damaged_file_is_named(damage: str, cache: Path) -> None:
    track = circle_track()
    path = cached_file(fingerprint(track, Vehicle()))
    write_optimum(made_up(), track, Vehicle(), path)
    text = path.read_text()
    path.write_text(
        {
            "no_column": text.replace("command,", ""),
            "no_time": text.replace("# flying_lap_seconds", "# flying"),
            "text": text + "text\n",
        }[damage]
    )
    with pytest.raises(ValueError, match=f"{path} is not an optimum .*; remove it"):
        find_optimum(track, Vehicle())
