from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from deploy.local.learning_curve import Course, draw_learning_curve, read_lines
from deploy.local.racing_line import draw_racing_line
from deploy.local.trace import Trace
from worker_service.simulators.racetrack.catalogue import find_track


def pixels(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def colours(picture: NDArray[np.uint8]) -> int:
    return len(np.unique(picture.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)))


def evaluation(minute: float, lap_seconds: float | None, clean: float | None = 1.0) -> dict[str, Any]:
    return {
        "wall_seconds": 60 * minute,
        "mean_return": 10 * minute,
        "best_lap_seconds": lap_seconds,
        "clean_fraction": clean,
    }


PROGRESS = [{"training_seconds": 5.0 * i, "transitions": 4_000 * i} for i in range(40)]
RACING = [evaluation(1, None, 0.0), evaluation(2, 70.0, 0.5), evaluation(2.5, 62.0), evaluation(3, 63.0)]


def test_racing_line_shows_the_speeds_in_colour(tmp_path: Path) -> None:
    track = find_track("kestrel")
    speed = np.linspace(20, 60, len(track.centre_line))
    for name, speeds in (("varied", speed), ("constant", np.full_like(speed, 40.0))):
        trace = Trace(points=track.centre_line, speed_metres_per_second=speeds, lap_seconds=50.0)
        draw_racing_line(tmp_path / f"{name}.png", track, trace, title="kestrel, 50.000 s", subtitle="as an example")
    varied, constant = pixels(tmp_path / "varied.png"), pixels(tmp_path / "constant.png")
    assert min(varied.shape[:2]) > 600
    # Both have the colour bar; the line itself differs.
    assert colours(varied) > 1_000
    assert varied.shape != constant.shape or (varied != constant).any(axis=2).mean() > 0.003


def test_racing_line_is_drawn_of_a_drive_that_ended_after_a_few_metres(tmp_path: Path) -> None:
    track = find_track("kestrel")
    trace = Trace(points=track.centre_line[:2], speed_metres_per_second=np.array([0.0, 0.0]), lap_seconds=None)
    draw_racing_line(tmp_path / "line.png", track, trace, title="kestrel, no complete lap", subtitle="")
    assert colours(pixels(tmp_path / "line.png")) > 50


def test_optimal_line_is_drawn_beside_the_driven_one(tmp_path: Path) -> None:
    track = find_track("kestrel")
    speed = np.full(len(track.centre_line), 40.0)
    trace = Trace(points=track.centre_line, speed_metres_per_second=speed, lap_seconds=50.0)
    for name, optimum in (("without", None), ("with", track.left_edge * 0.5 + track.centre_line * 0.5)):
        draw_racing_line(tmp_path / f"{name}.png", track, trace, optimum, title="kestrel", subtitle="as an example")
    without, drawn = pixels(tmp_path / "without.png"), pixels(tmp_path / "with.png")
    assert without.shape != drawn.shape or 0.0005 < (without != drawn).any(axis=2).mean() < 0.02


def test_learning_curve_of_a_race_has_a_panel_of_laps_above_returns(tmp_path: Path) -> None:
    race = Course(evaluations=RACING, progress=PROGRESS, first_lap_seconds=61.0, optimum_lap_seconds=45.0)
    plain = Course(evaluations=[evaluation(i, None, None) for i in (1, 2, 3)], progress=PROGRESS)
    assert race.has_laps
    assert not plain.has_laps
    for name, course in (("race", race), ("plain", plain)):
        draw_learning_curve(tmp_path / f"{name}.png", course, title="title", subtitle="subtitle")
    tall, low = pixels(tmp_path / "race.png"), pixels(tmp_path / "plain.png")
    assert tall.shape[0] > 1.4 * low.shape[0]
    assert colours(tall) > 100
    assert colours(low) > 100


@pytest.mark.parametrize(
    "course",
    [
        Course(evaluations=[], progress=[]),
        Course(evaluations=RACING[:1], progress=PROGRESS[:1], optimum_lap_seconds=45.0),
        Course(evaluations=RACING, progress=[], first_lap_seconds=61.0),
        Course(evaluations=RACING[2:3], progress=PROGRESS[-2:]),
    ],
    ids=["nothing", "no lap", "no progress", "one lap"],
)
def test_learning_curve_is_drawn_however_little_there_is(course: Course, tmp_path: Path) -> None:
    draw_learning_curve(tmp_path / "curve.png", course, title="title", subtitle="subtitle")
    assert colours(pixels(tmp_path / "curve.png")) > 20


def test_half_a_line_at_the_end_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "progress.jsonl").write_text('{"transitions": 1}\n{"transi')
    assert read_lines(tmp_path / "progress.jsonl") == [{"transitions": 1}]
    assert read_lines(tmp_path / "absent.jsonl") == []
