"""Learn-to-Race's circuits: from files made here in the layout of the package, and from the package where installed."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.racetrack.builders import drive, make, needs_l2r_maps
from worker_service.simulators.racetrack import l2r_maps
from worker_service.simulators.racetrack.catalogue import find_track
from worker_service.simulators.racetrack.driver import Driver
from worker_service.simulators.racetrack.l2r_maps import L2R_MAPS, l2r_track, read_l2r_map, smooth

Floats = NDArray[np.float64]


def ellipse(long_metres: float, short_metres: float, count: int) -> Floats:
    """Clockwise, as L2R's circuits run."""
    angle = -2.0 * np.pi * np.arange(count) / count
    return np.stack([long_metres * np.cos(angle), short_metres * np.sin(angle)], axis=1)


def circle_map(**changes: Any) -> dict[str, Any]:
    """A circle of 100 m radius with 5 m of road inside and 7 m outside."""
    return {
        "Name": "made here",
        "ReferencePoint": [50.0, -1.0, 0.0],
        "Centre": ellipse(100.0, 100.0, 1257).tolist(),
        "Inside": ellipse(95.0, 95.0, 1194).tolist(),
        "Outside": ellipse(107.0, 107.0, 1345).tolist(),
        **changes,
    }


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def install(folder: Path, circuit: str, content: Any) -> None:
    """A package l2r of our own, whose code must not run."""
    about = folder / "l2r-0.0.2.dist-info" / "METADATA"
    about.parent.mkdir(parents=True)
    about.write_text("Metadata-Version: 2.1\nName: l2r\nVersion: 0.0.2\n", encoding="utf-8")
    write(folder / L2R_MAPS[circuit], content)
    (folder / "l2r" / "__init__.py").write_text("raise AssertionError('the package was imported')\n", encoding="utf-8")


@pytest.fixture(autouse=True)
def _nothing_kept() -> None:
    l2r_track.cache_clear()


def test_map_gives_line_widths_and_direction(tmp_path: Path) -> None:
    track = read_l2r_map(write(tmp_path / "circle.json", circle_map()), "l2r:circle")
    assert track.name == "l2r:circle"
    assert track.length_metres == pytest.approx(2.0 * np.pi * 100.0, rel=1e-3)
    assert track.turn_radians == pytest.approx(-2.0 * np.pi), "clockwise"
    np.testing.assert_allclose(track.left_width, 7.0, atol=0.01)
    np.testing.assert_allclose(track.right_width, 5.0, atol=0.01)
    np.testing.assert_allclose(track.centre_line[0], (100.0, 0.0), atol=0.01)
    np.testing.assert_allclose(np.hypot(*track.left_edge.T), 107.0, atol=0.01)


def test_heights_and_repeated_points_are_ignored(tmp_path: Path) -> None:
    plain = circle_map()
    edge = [[*point, 99.5] for point in plain["Outside"]]
    decorated = circle_map(Outside=[*edge, edge[0]])
    first, second = (
        read_l2r_map(write(tmp_path / f"{i}.json", content), "same") for i, content in enumerate((plain, decorated))
    )
    np.testing.assert_allclose(first.left_width, second.left_width, atol=1e-9)


def test_edges_stay_where_they_are_while_the_line_is_smoothed(tmp_path: Path) -> None:
    jitter = np.random.default_rng(3).normal(0.0, 0.02, (1257, 2))
    noisy = circle_map(Centre=(ellipse(100.0, 100.0, 1257) + jitter).tolist())
    track = read_l2r_map(write(tmp_path / "noisy.json", noisy), "noisy")
    jumps = np.diff(np.append(track.curvature, track.curvature[0])) / track.spacing_metres
    assert np.abs(jumps).max() < 0.01, "the bar of the shipped circuits"
    np.testing.assert_allclose(np.hypot(*track.left_edge.T), 107.0, atol=0.02)
    np.testing.assert_allclose(np.hypot(*track.right_edge.T), 95.0, atol=0.02)


def test_smoothing_takes_waves_shorter_than_its_window_and_leaves_long_ones() -> None:
    radius, count = 100.0, 1257
    angle = -2.0 * np.pi * np.arange(count) / count
    for waves, kept in ((3, 1.0), (314, 0.0)):
        out = radius + 0.1 * np.cos(waves * angle)
        wavy = out[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        left = np.hypot(*smooth(wavy, 4.0).T) - radius
        assert np.abs(left).max() == pytest.approx(0.1 * kept, abs=0.001)


def test_installed_package_is_read_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "anglesey", circle_map())
    monkeypatch.syspath_prepend(tmp_path)
    track = find_track("l2r:anglesey")
    assert track.name == "l2r:anglesey"
    assert track.length_metres == pytest.approx(2.0 * np.pi * 100.0, rel=1e-3)
    assert find_track("l2r:anglesey") is track
    assert "l2r" not in sys.modules


def test_missing_file_of_the_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "anglesey", circle_map())
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match=r"there is no file .*ThruxtonFromGoogle_2.json: pip install --no-deps"):
        find_track("l2r:thruxton")


def test_missing_package_is_named_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(ValueError, match=r"'l2r:thruxton' .* not installed: pip install --no-deps l2r==0\.0\.2$"):
        find_track("l2r:thruxton")


def test_unknown_circuit_is_refused_with_the_choices() -> None:
    with pytest.raises(ValueError, match="'l2r:spa' is unknown; after l2r: it must be one of anglesey, thruxton, "):
        find_track("l2r:spa")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "has no line 'Centre' of .East, North. in metres"),
        ({"Centre": circle_map()["Centre"]}, "has no line 'Inside'"),
        (circle_map(Inside=[["a", "b"]] * 20), "has no line 'Inside'"),
        (circle_map(Outside=[[0.0, 1.0]] * 9), r"has 'Outside' of shape \(9, 2\); it must be .M, 2. or .M, 3., M at"),
        (circle_map(Centre=[[0.0, float("nan")]] * 20), "has a coordinate of 'Centre' that is not finite"),
        (circle_map(Centre=circle_map()["Centre"][::-1]), "runs anticlockwise; .* clockwise: reverse its lines"),
        (
            circle_map(Outside=circle_map()["Inside"], Inside=circle_map()["Outside"]),
            "has no point of 'Outside' across the road from .* Outside on its left",
        ),
        (circle_map(Inside=circle_map()["Inside"][:600]), "has no point of 'Inside' across the road .* within 25 m"),
    ],
)
def test_broken_map_is_refused_with_file_and_rule(tmp_path: Path, content: Any, message: str) -> None:
    path = write(tmp_path / "map.json", content)
    with pytest.raises(ValueError, match=message) as error:
        read_l2r_map(path, "broken")
    assert str(path) in str(error.value)


def test_file_that_is_no_json_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "map.json"
    path.write_bytes(b"\x80\x04K\x01.")
    with pytest.raises(ValueError, match=r"is not JSON .*pip install"):
        read_l2r_map(path, "pickled")


@needs_l2r_maps
@pytest.mark.parametrize(
    ("circuit", "kilometres", "narrowest_metres", "widest_metres"),
    [("thruxton", 3.77, 12.4, 15.6), ("thruxton-official", 3.77, 12.8, 15.8), ("anglesey", 1.91, 10.6, 14.2)],
)
def test_real_map_has_the_documented_measures(
    circuit: str, kilometres: float, narrowest_metres: float, widest_metres: float
) -> None:
    track = find_track(f"l2r:{circuit}")
    width = track.left_width + track.right_width
    assert track.length_metres / 1000.0 == pytest.approx(kilometres, abs=0.005)
    assert width.min() == pytest.approx(narrowest_metres, abs=0.1)
    assert width.max() == pytest.approx(widest_metres, abs=0.1)
    assert track.turn_radians == pytest.approx(-2.0 * np.pi)
    jumps = np.diff(np.append(track.curvature, track.curvature[0])) / track.spacing_metres
    assert np.abs(jumps).max() < 0.01


@needs_l2r_maps
@pytest.mark.slow
@pytest.mark.parametrize(("circuit", "edge"), [("thruxton", "left_edge"), ("anglesey", "right_edge")])
def test_real_edges_lie_on_the_measured_ones_and_the_line_hardly_moves(
    circuit: str, edge: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    smoothed = find_track(f"l2r:{circuit}")
    monkeypatch.setattr(l2r_maps, "SMOOTHING_METRES", 0.0)
    l2r_track.cache_clear()
    measured = find_track(f"l2r:{circuit}")
    assert _farthest(smoothed.centre_line, measured.centre_line) < 0.13
    assert _farthest(getattr(smoothed, edge)[::5], getattr(measured, edge)) < 0.06


@needs_l2r_maps
@pytest.mark.slow
@pytest.mark.parametrize(("circuit", "seconds"), [("thruxton", 72.90), ("anglesey", 55.13)])
def test_driver_laps_real_maps_cleanly(circuit: str, seconds: float) -> None:
    environment = make(track=f"l2r:{circuit}", start="standing", laps=2)
    environment.reset(seed=0)
    result = drive(environment, Driver(environment.track).act)
    assert not result.terminated
    assert result.metrics["laps_completed"] == 2.0
    assert result.laps[1]["time_seconds"] == pytest.approx(seconds, abs=0.2)


@needs_l2r_maps
@pytest.mark.slow
def test_package_is_never_imported() -> None:
    program = (
        "import sys; from worker_service.simulators.racetrack.catalogue import find_track; find_track('l2r:anglesey'); "
        "print([name for name in sys.modules if name.partition('.')[0] == 'l2r'])"
    )
    root = Path(__file__).parents[2]
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, timeout=60, check=True
    )
    assert ran.stdout == "[]\n"


def _farthest(points: Floats, line: Floats) -> float:
    """The greatest distance of points from a closed line of pieces."""
    step = np.roll(line, -1, axis=0) - line
    worst = 0.0
    for point in points:
        away = point - line
        share = np.clip((away * step).sum(axis=1) / (step * step).sum(axis=1), 0.0, 1.0)
        worst = max(worst, float(np.hypot(*(away - share[:, None] * step).T).min()))
    return worst
