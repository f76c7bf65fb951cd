import numpy as np
import pytest
from numpy.typing import NDArray

from tests.racetrack.builders import circle_track, make
from worker_service.simulators.racetrack import CarState
from worker_service.simulators.racetrack.driver import Driver
from worker_service.simulators.racetrack.track import Track


def along(track: Track, arc: NDArray[np.float64], column: NDArray[np.float64]) -> NDArray[np.float64]:
    """Interpolate a column of the stations at arc lengths, over the line too."""
    laps, inside = np.divmod(arc, track.length_metres)
    at = inside / track.spacing_metres
    closing = column[0] + (track.turn_radians if column is track.heading else 0.0)
    value = np.interp(at, np.arange(len(column) + 1), np.append(column, closing))
    return np.asarray(value + (laps * track.turn_radians if column is track.heading else 0.0))


def expected(track: Track, state: CarState, last_action: NDArray[np.float32]) -> NDArray[np.float64]:
    """The observation by another way: a search over the whole track, then NumPy."""
    car = np.array([state.x_metres, state.y_metres])
    fine = np.linspace(0.0, track.length_metres, 40 * len(track.centre_line), endpoint=False)
    points = np.stack([along(track, fine, c) for c in track.centre_line.T], axis=1)
    nearest = int(np.hypot(*(points - car).T).argmin())
    arc = fine[nearest]
    heading = float(along(track, np.array([arc]), track.heading)[0])
    away = car - points[nearest]
    offset = float(np.cos(heading) * away[1] - np.sin(heading) * away[0])
    left, right = track.left_width[0], track.right_width[0]
    turn = state.yaw_radians - heading
    base = [
        offset / (left if offset > 0.0 else right),
        np.sin(turn),
        np.cos(turn),
        state.forward_metres_per_second / 50.0,
        state.sideways_metres_per_second / 10.0,
        state.yaw_rate_radians_per_second,
        state.steer_radians / 0.3,
        *last_action,
        (left - offset) / 10.0,
        (right + offset) / 10.0,
    ]
    reach = max(60.0, 6.0 * state.speed_metres_per_second)
    ahead = arc + reach * np.arange(17) / 16.0
    away = np.stack([along(track, ahead, c) for c in track.centre_line.T], axis=1)[1:] - car
    cos, sin = np.cos(state.yaw_radians), np.sin(state.yaw_radians)
    bend = 50.0 * np.diff(along(track, ahead, track.heading)) / (reach / 16.0)
    points = np.stack(
        [
            (cos * away[:, 0] + sin * away[:, 1]) / reach,
            (cos * away[:, 1] - sin * away[:, 0]) / reach,
            bend / (1.0 + np.abs(bend)),
        ],
        axis=1,
    )
    return np.concatenate([base, points.ravel()])


@pytest.mark.parametrize("track", ["thornwood", "northmoor"])
def test_every_entry_is_what_the_table_says(track: str) -> None:
    environment = make(track=track)
    driver = Driver(environment.track)
    random = np.random.default_rng(0)
    environment.reset(seed=1)
    for _ in range(12):
        environment.reset()
        for _ in range(4):
            chosen = np.clip(driver.act(environment.state) + random.normal(0.0, 0.05, 2), -1.0, 1.0).astype(np.float32)
            observation, *_ = environment.step(chosen)
        # The search finds the foot of the perpendicular to 25 mm.
        np.testing.assert_allclose(observation, expected(environment.track, environment.state, chosen), atol=5e-3)


def test_constant_bend_looks_the_same_all_the_way() -> None:
    environment = make(track=circle_track(radius_metres=50.0), start="standing")
    observation, _ = environment.reset(seed=0)
    curvature = observation[13::3]
    np.testing.assert_allclose(curvature, 0.5, atol=1e-3)  # 50 m / radius = 1, squashed
    forward, left = observation[11::3], observation[12::3]
    assert (left > 0.0).all(), "a left-hand circle lies to the left"
    assert np.hypot(forward[0], left[0]) == pytest.approx(1.0 / 16.0, rel=0.01)


def test_observation_is_continuous_over_the_start_line() -> None:
    environment = make(track="kestrel", start="standing")
    after, _ = environment.reset(seed=0)
    heading = environment.state.yaw_radians
    environment._car["x"] -= 0.02 * np.cos(heading)
    environment._car["y"] -= 0.02 * np.sin(heading)
    environment._place["arc_metres"] = environment.track.length_metres - 0.02
    np.testing.assert_allclose(environment._observation(), after, atol=1e-3)
