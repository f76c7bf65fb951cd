import numpy as np
from numpy.typing import NDArray

from tests.racetrack.builders import action, circle_track, make
from worker_service.simulators.racetrack.driver import Driver
from worker_service.simulators.racetrack.render import speed_colours

Picture = NDArray[np.uint8]


def kind(pixels: Picture) -> NDArray[np.str_]:
    """What pixels [..., 3] show, by their colour."""
    red, green, blue = (pixels[..., i].astype(int) for i in range(3))
    return np.select(
        [(green > red + 30) & (green > blue + 30), blue > red + 20, (red > green + 80), red > 180],
        ["grass", "sky", "kerb", "white"],
        "asphalt",
    )


def view(turn: float = 0.0, offset: float = 0.0, pixels: int = 96) -> NDArray[np.str_]:
    """The camera's picture from beside a wide straight's centre line."""
    environment = make(track=circle_track(radius_metres=800.0, half_width_metres=6.0), start="standing", camera=pixels)
    environment.reset(seed=0)
    car = environment._car
    car["x"] -= offset  # at the line this circle goes along y
    car["yaw"] += turn
    assert environment._camera is not None
    picture = environment._camera.picture(car)
    assert picture.shape == (pixels, pixels, 3)
    assert picture.dtype == np.uint8
    return kind(picture)


def test_camera_shows_asphalt_ahead_grass_aside_and_sky_above() -> None:
    seen = view()
    assert set(seen[0]) == {"sky"}
    assert (seen[60:, 30:66] == "asphalt").mean() > 0.95
    assert set(seen[40, [0, 1, 2, -1, -2, -3]]) == {"grass"}
    # Between road and grass there is a white line on both sides.
    row = seen[42].tolist()
    assert row.index("grass") < row.index("white") < row.index("asphalt")
    assert row[::-1].index("grass") < row[::-1].index("white") < row[::-1].index("asphalt")
    assert (seen == seen[:, ::-1]).mean() > 0.95, "from the middle of a straight left and right look alike"


def test_camera_turns_and_moves_with_the_car() -> None:
    def grass(seen: NDArray[np.str_]) -> tuple[float, float]:
        return float((seen[:, :48] == "grass").mean()), float((seen[:, 48:] == "grass").mean())

    left, right = grass(view(offset=5.0))
    assert left > right + 0.05, "near the left edge there is grass to the left"
    left, right = grass(view(turn=-0.3))
    assert right > left + 0.05, "turned right, the road runs out of the picture to the left"


def test_camera_size_is_the_observations_shape() -> None:
    assert view(pixels=40).shape == (40, 40)


def test_camera_sees_kerbs_in_bends() -> None:
    environment = make(track=circle_track(radius_metres=40.0), start="standing", camera=96)
    observation, _ = environment.reset(seed=0)
    assert (kind(observation["camera"]) == "kerb").sum() > 10


def test_picture_from_above_shows_the_car_and_its_way() -> None:
    environment = make(track="larkfield", start="standing", render_mode="rgb_array")
    environment.reset(seed=0)
    before = environment.render()
    assert before is not None
    assert before.shape == (600, 800, 3)
    assert before.dtype == np.uint8
    shares = {name: float((kind(before) == name).mean()) for name in ("grass", "asphalt")}
    assert shares["grass"] > 0.8
    assert 0.01 < shares["asphalt"] < 0.15
    driver = Driver(environment.track)
    for _ in range(150):
        environment.step(driver.act(environment.state))
    after = environment.render()
    assert after is not None
    changed = (before != after).any(axis=2)
    changed[:30] = False  # the title
    columns = np.nonzero(changed)[1]
    assert columns.max() - columns.min() > 80, "the trace runs along the first straight"
    environment.reset()
    restarted = environment.render()
    assert restarted is not None
    np.testing.assert_array_equal(restarted[30:], before[30:])


def test_without_a_render_mode_there_is_no_picture() -> None:
    environment = make()
    environment.reset(seed=0)
    environment.step(action(0.0, 0.0))
    assert environment.render() is None


def test_faster_is_brighter() -> None:
    colours = speed_colours(np.linspace(0.0, 70.0, 30)).astype(float)
    lightness = colours @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(lightness) > 0.0).all()
