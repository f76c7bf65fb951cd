from pathlib import Path

import numpy as np
import pytest

from tests.racetrack.builders import circle_track, make
from worker_service.simulators.racetrack.circuits import circuit
from worker_service.simulators.racetrack.track_csv import HEADER, read_track, write_track


def ring(count: int = 60, share: float = 1.0) -> list[str]:
    angle = 2.0 * np.pi * np.arange(count) / count
    rows = [f"{50.0 * np.cos(a):.3f},{50.0 * np.sin(a):.3f},4.0,3.0" for a in angle]
    return rows[: round(share * count)]


def write(folder: Path, lines: list[str]) -> Path:
    path = folder / "ring.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["larkfield", "northmoor"])
def test_written_track_is_read_back(tmp_path: Path, name: str) -> None:
    track = circuit(name)
    write_track(track, tmp_path / "copy.csv")
    copy = read_track(tmp_path / "copy.csv")
    assert copy.name == "copy"
    assert copy.length_metres == pytest.approx(track.length_metres, rel=1e-4)
    np.testing.assert_allclose(copy.centre_line, track.centre_line, atol=2e-3)
    np.testing.assert_allclose(copy.left_width, track.left_width, atol=1e-4)


def test_comments_and_a_repeated_first_point_are_ignored(tmp_path: Path) -> None:
    rows = ring()
    plain = read_track(write(tmp_path, rows))
    decorated = read_track(write(tmp_path, [HEADER, "", *rows, "# the end", rows[0]]))
    np.testing.assert_array_equal(plain.centre_line, decorated.centre_line)
    assert set(plain.right_width) == {4.0}
    assert set(plain.left_width) == {3.0}


def test_environment_drives_a_file(tmp_path: Path) -> None:
    write_track(circle_track(), tmp_path / "circle.csv")
    environment = make(track=str(tmp_path / "circle.csv"))
    environment.reset(seed=0)
    assert environment.track.name == "circle"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "has 0 points; a track needs at least 10"),
        (ring(9), "has 9 points; a track needs at least 10"),
        (ring(share=0.7), "is not closed: the last point is .* m from the first and points are 5.2 m apart"),
        ([*ring(), "1.0,2.0,3.0"], "line 61 has 3 columns; it must have 4: x_m,y_m,w_tr_right_m,w_tr_left_m"),
        ([*ring(), "1.0,2.0,3.0,wide"], "line 61 is '1.0,2.0,3.0,wide'; all four columns must be numbers"),
        ([*ring(), "nan,2.0,3.0,3.0"], "line 61 is .* all four columns must be finite numbers"),
        ([*ring(), "1.0,2.0,0,3.0"], "line 61 has a width of 0 m; both widths must be positive"),
    ],
)
def test_broken_file_is_refused_with_place_and_rule(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_track(write(tmp_path, lines))
