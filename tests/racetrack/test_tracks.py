from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.racetrack.builders import circle_track
from worker_service.simulators.racetrack.catalogue import find_track
from worker_service.simulators.racetrack.circuits import CIRCUITS, DEFAULT_CIRCUIT, circuit
from worker_service.simulators.racetrack.generator import random_track
from worker_service.simulators.racetrack.layout import Arc, Segment, Straight, track_from_layout
from worker_service.simulators.racetrack.track import Track


def assert_drivable(track: Track) -> None:
    """What the checks of `Track` do not ask for."""
    assert abs(track.turn_radians) == pytest.approx(2.0 * np.pi)
    assert np.abs(track.curvature).max() < 1.0 / 11.0
    steps = np.diff(np.append(track.curvature, track.curvature[0])) / track.spacing_metres
    assert np.abs(steps).max() < 0.01, "curvature jumps: a car would have to steer at once"
    assert (track.left_width + track.right_width).min() >= 8.5
    assert np.abs(track.curvature[:3]).max() < 1.0 / 200.0, "the start line lies on a straight, or nearly"


@pytest.mark.parametrize("name", CIRCUITS)
def test_every_shipped_circuit_is_drivable(name: str) -> None:
    track = circuit(name)
    assert_drivable(track)
    assert 1000.0 < track.length_metres < 4200.0


def test_default_circuit_is_about_two_kilometres_long() -> None:
    assert circuit(DEFAULT_CIRCUIT).length_metres == pytest.approx(2000.0, rel=0.1)


@pytest.mark.slow
def test_fifty_random_tracks_are_drivable() -> None:
    tracks = [random_track(seed) for seed in range(50)]
    for track in tracks:
        assert_drivable(track)
        assert 1195.0 < track.length_metres < 4005.0
    lengths = {round(track.length_metres) for track in tracks}
    assert len(lengths) > 45
    directions = [np.sign(track.turn_radians) for track in tracks]
    assert 10 < directions.count(1.0) < 40


def test_random_track_depends_on_nothing_but_its_seed() -> None:
    first, again = random_track(7), random_track(7)
    assert first.centre_line.tobytes() == again.centre_line.tobytes()
    assert first.left_width.tobytes() == again.left_width.tobytes()


def test_circle_has_the_curvature_of_a_circle() -> None:
    for clockwise, sign in ((False, 1.0), (True, -1.0)):
        track = circle_track(radius_metres=80.0, clockwise=clockwise)
        assert track.length_metres == pytest.approx(2.0 * np.pi * 80.0, rel=1e-4)
        np.testing.assert_allclose(track.curvature, sign / 80.0, rtol=1e-3)
        np.testing.assert_allclose(np.hypot(*track.left_edge.T), 80.0 - sign * 5.0, atol=0.01)


def test_uneven_points_are_resampled_evenly() -> None:
    angle = 2.0 * np.pi * np.linspace(0.0, 1.0, 300, endpoint=False) ** 1.3
    points = 90.0 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    track = Track.from_points("uneven", points, 4.0, 5.0)
    steps = np.hypot(*(np.roll(track.centre_line, -1, axis=0) - track.centre_line).T)
    np.testing.assert_allclose(steps, 1.0, atol=0.01)
    assert set(track.right_width) == {5.0}


def figure_eight() -> Track:
    angle = np.linspace(0.0, 2.0 * np.pi, 500, endpoint=False)
    return Track.from_points("eight", 100.0 * np.stack([np.sin(angle), np.sin(2.0 * angle)], axis=1), 4.0, 4.0)


def peanut() -> Track:
    """An oval whose long sides nearly touch in the middle."""
    angle = np.linspace(0.0, 2.0 * np.pi, 800, endpoint=False)
    waist = 4.0 + 60.0 * np.cos(angle) ** 2
    return Track.from_points("peanut", np.stack([200.0 * np.cos(angle), waist * np.sin(angle)], axis=1), 5.0, 5.0)


def evenly(x: float) -> Track:
    track = circle_track()
    line = track.centre_line.copy()
    line[3, 0] += x
    return Track("bent", line, track.left_width.copy(), track.right_width.copy())


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (figure_eight, "turns 0.00 times in a lap; a closed track that does not cross itself turns exactly once"),
        (peanut, "overlaps itself at stations [0-9]+ and [0-9]+; .* part the two stretches or narrow them"),
        (lambda: circle_track(radius_metres=8.0, half_width_metres=2.0), "is 50.. m long; .* are its units metres?"),
        (lambda: circle_track(radius_metres=20.0, half_width_metres=21.0), "bends with a radius of 20.. m at station"),
        (
            lambda: circle_track(half_width_metres=-1.0),
            "has left_width -1.0 at station 0; .* positive number of metres",
        ),
        (lambda: evenly(2.0), "has stations .* m apart; they must be evenly spaced: build the track with"),
        (lambda: evenly(np.nan), "has a coordinate that is not finite; every one must be a number"),
        (lambda: Track("flat", np.zeros(8), np.ones(8), np.ones(8)), r"has a centre line of shape \(8,\); it must be"),
    ],
)
def test_impossible_tracks_are_refused_with_the_rule(build: Callable[[], Track], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


SQUARE: tuple[Segment, ...] = (
    Straight(100.0),
    Arc(30.0, 90.0),
    Straight(),
    Arc(30.0, 90.0),
    Straight(150.0),
    Arc(30.0, 90.0),
    Straight(80.0),
    Arc(30.0, 90.0),
    Straight(),
)


def test_layout_closes_by_its_open_straights() -> None:
    track = track_from_layout("square", SQUARE, width_metres=10.0)
    # Opposite sides are equal: 80 m up and down; 150 m there, 100 m + 50 m back.
    assert track.length_metres == pytest.approx(2 * 150.0 + 2 * 80.0 + 2.0 * np.pi * 30.0, abs=0.1)
    assert np.abs(track.curvature).max() == pytest.approx(1.0 / 30.0, rel=0.01)


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        (SQUARE[:-2], "turns 270 degrees in a lap; it must turn 360 or -360"),
        ((Straight(10.0), *SQUARE[1:], Straight()), "has 3 straights without a length; it must have exactly 2"),
        (
            (*SQUARE[:2], Straight(80.0), *SQUARE[3:4], Straight(), *SQUARE[5:]),
            "has parallel straights without a length",
        ),
        ((Straight(300.0), *SQUARE[1:]), "closes with straights of .* m; each must be at least the transition's 20 m"),
    ],
)
def test_layout_that_cannot_close_is_refused_with_the_rule(segments: tuple[Segment, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        track_from_layout("broken", segments, width_metres=10.0)


@pytest.mark.parametrize("name", ["monza", "random:", "random:-1", "random:x", ""])
def test_unknown_track_is_refused_with_the_choices(name: str) -> None:
    with pytest.raises(ValueError, match=r"is unknown; it must be one of kestrel, larkfield, .* ends in .csv"):
        find_track(name)


def test_names_find_tracks() -> None:
    assert find_track("thornwood").name == "thornwood"
    assert find_track("random:12").name == "random:12"
    with pytest.raises(FileNotFoundError):
        find_track(str(Path("nowhere") / "lost.csv"))
