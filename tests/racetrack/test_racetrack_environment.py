import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from tests.racetrack.builders import action, circle_track, drive, make
from worker_service.simulators.racetrack import Racetrack, Reward
from worker_service.simulators.racetrack.circuits import DEFAULT_CIRCUIT
from worker_service.simulators.racetrack.driver import Driver

ROOT = Path(__file__).parents[2]
STRAIGHT_ON = action(0.0, 0.3)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"start": "standing", "laps": 1},
        {"camera": 32},
        {"camera": 32, "camera_alone": True},
        {"render_mode": "rgb_array"},
    ],
)
def test_gymnasiums_checker_has_no_complaint(arguments: dict[str, Any]) -> None:
    check_env(make(**arguments))


def test_environment_is_registered_by_importing_it() -> None:
    environment = gymnasium.make("Racetrack-v0", track="thornwood")
    assert isinstance(environment, Racetrack)
    assert environment.track.name == "thornwood"


def fingerprint(seed: int) -> str:
    """Of everything two episodes give; with the imports it needs, so that a fresh process can run it."""
    environment = make(track="random:5", camera=32)
    actions = np.random.default_rng(9).uniform(-0.3, 1.0, (200, 2)).astype(np.float32)
    digest = hashlib.sha256()
    observation, _ = environment.reset(seed=seed)
    for row in actions:
        observation, reward, terminated, _, info = environment.step(row * action(0.1, 1.0))
        for part in observation.values():
            digest.update(part.tobytes())
        digest.update(np.array([reward, info["progress_metres"]]).tobytes())
        if terminated:
            environment.reset()
    return digest.hexdigest()


@pytest.mark.slow
def test_same_seed_and_actions_give_the_same_bytes_in_every_process() -> None:
    program = "from tests.racetrack.test_racetrack_environment import fingerprint; print(fingerprint(3))"
    processes = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [process.communicate(timeout=120)[0].strip() for process in processes]
    assert outputs == [fingerprint(3)] * 2
    assert fingerprint(4) != outputs[0]


@pytest.mark.parametrize("track", [DEFAULT_CIRCUIT, "thornwood", "random:3"])
def test_random_starts_are_on_the_track_and_can_be_driven_away_from(track: str) -> None:
    environment = make(track=track)
    environment.reset(seed=0)
    speeds, arcs = [], []
    for _ in range(300):
        observation, _ = environment.reset()
        assert environment.observation_space.contains(observation)
        state = environment.state
        assert abs(observation[0]) <= 0.6 + 1e-6
        assert abs(state.heading_error_radians) <= 0.1
        speeds.append(state.speed_metres_per_second)
        arcs.append(state.arc_metres / environment.track.length_metres)
        for _ in range(3):
            _, _, terminated, _, _ = environment.step(action(state.steer_radians / 0.3, 0.0))
            assert not terminated
    assert min(speeds) < 3.0
    assert max(speeds) > 25.0
    assert np.histogram(arcs, 5, (0.0, 1.0))[0].min() > 30, "all parts of the lap are starts"


@pytest.mark.parametrize("track", ["larkfield", "thornwood"])
def test_driver_recovers_from_nearly_every_random_start(track: str) -> None:
    environment = make(track=track, max_steps=50)
    driver = Driver(environment.track)
    environment.reset(seed=1)
    lost = 0
    for _ in range(60):
        environment.reset()
        lost += drive(environment, driver.act).terminated
    assert lost <= 3


def test_standing_start_is_at_rest_on_the_line() -> None:
    environment = make(start="standing")
    observation, _ = environment.reset(seed=0)
    state = environment.state
    assert (state.speed_metres_per_second, state.arc_metres, state.offset_metres) == (0.0, 0.0, 0.0)
    assert observation[:9].tolist() == [
        0.0,
        0.0,
        1.0,
        0.0,
        0.0,
        0.0,
        pytest.approx(0, abs=1e-3),
        pytest.approx(0, abs=1e-3),
        0.0,
    ]
    again, _ = environment.reset(seed=5)
    np.testing.assert_array_equal(observation, again)


def test_reset_option_overrides_the_start() -> None:
    environment = make(start="random")
    environment.reset(seed=0, options={"start": "standing"})
    assert environment.state.speed_metres_per_second == 0.0
    environment.reset()
    assert environment.state.speed_metres_per_second > 0.0


def test_leaving_the_track_ends_the_episode_with_a_penalty() -> None:
    environment = make(start="standing")
    environment.reset(seed=0)
    result = drive(environment, lambda _: action(0.0, 1.0))  # into the first bend
    assert result.terminated
    assert result.metrics["off_track"] == 1.0
    speed = result.states[-1].speed_metres_per_second
    assert speed > 40.0
    assert result.rewards[-1] == pytest.approx(-1.0 - 0.1 * speed), "no progress is paid on that step"
    assert abs(result.states[-1].offset_metres) > 5.5
    assert abs(result.states[-2].offset_metres) <= 5.5


def test_reward_is_progress_in_metres_less_steering() -> None:
    weights = Reward(progress_per_metre=0.5, steer_change=2.0)
    environment = make(start="standing", reward=weights)
    environment.reset(seed=0)
    environment.step(STRAIGHT_ON)
    _, reward, _, _, info = environment.step(action(0.2, 0.5))
    assert reward == pytest.approx(0.5 * info["progress_metres"] - 2.0 * 0.2**2)
    state = environment.state
    _, reward, _, _, info = environment.step(action(0.2, 0.5))
    moved = environment.state.x_metres - state.x_metres, environment.state.y_metres - state.y_metres
    assert info["progress_metres"] == pytest.approx(np.hypot(*moved), rel=0.01)
    assert reward == pytest.approx(0.5 * info["progress_metres"])


def test_standing_still_ends_the_episode_after_three_seconds() -> None:
    environment = make(start="standing")
    environment.reset(seed=0)
    result = drive(environment, lambda _: action(0.0, -1.0))
    assert result.terminated
    assert len(result.rewards) == 30
    assert result.metrics["stalled"] == 1.0
    assert result.rewards[-1] == pytest.approx(-1.0)


def test_turning_around_ends_the_episode() -> None:
    environment = make(track=circle_track(radius_metres=400.0, half_width_metres=80.0), start="standing")
    environment.reset(seed=0)
    result = drive(environment, lambda _: action(1.0, 0.3))
    assert result.metrics["spun"] == 1.0
    assert result.metrics["off_track"] == 0.0
    assert abs(result.states[-1].heading_error_radians) > np.pi / 2.0


def test_step_limit_truncates() -> None:
    environment = make(track=circle_track(radius_metres=1000.0), start="standing", max_steps=20)
    environment.reset(seed=0)
    result = drive(environment, lambda _: STRAIGHT_ON)
    assert not result.terminated
    assert len(result.rewards) == 20
    state = result.states[-1]
    assert result.metrics["duration_seconds"] == pytest.approx(2.0)
    assert result.metrics["distance_metres"] == pytest.approx(state.distance_metres)
    assert result.metrics["mean_speed_metres_per_second"] == pytest.approx(state.distance_metres / 2.0, rel=0.1)


def test_random_start_is_timed_from_the_line() -> None:
    environment = make(track="thornwood", laps=1)
    environment.reset(seed=4)
    begin = environment.state.arc_metres
    result = drive(environment, Driver(environment.track).act)
    (lap,) = result.laps
    assert lap["number"] == 1
    assert lap["time_seconds"] < result.metrics["duration_seconds"] - 1.0
    assert result.metrics["distance_metres"] == pytest.approx(2.0 * environment.track.length_metres - begin, abs=6.0)


def test_episodes_of_a_range_are_on_its_tracks_in_an_order_that_the_seed_decides() -> None:
    def driven(seed: int) -> list[str]:
        environment = make(track="random:3-5", laps=1)
        names = []
        for episode in range(12):
            environment.reset(seed=seed if episode == 0 else None)
            names.append(environment.track.name)
            _, _, terminated, _, info = environment.step(action(0.0, 0.3))
            assert not terminated
            assert abs(info["progress_metres"]) < 10.0
        return names

    assert set(driven(0)) == {"random:3", "random:4", "random:5"}
    assert driven(0) == driven(0)
    assert driven(0) != driven(1)
    assert make(track="random:3-5").track_count == 3


def test_observations_stay_within_their_space_whatever_happens() -> None:
    environment = make(track="thornwood")
    random = np.random.default_rng(2)
    environment.reset(seed=2)
    for _ in range(3000):
        observation, _, terminated, truncated, _ = environment.step(random.uniform(-3.0, 3.0, 2).astype(np.float32))
        assert environment.observation_space.contains(observation)
        if terminated or truncated:
            environment.reset()


def test_observations_are_not_views_of_one_buffer() -> None:
    environment = make(camera=16)
    first, _ = environment.reset(seed=0)
    kept = {name: part.copy() for name, part in first.items()}
    for _ in range(3):
        second, *_ = environment.step(STRAIGHT_ON)
    for name, part in first.items():
        np.testing.assert_array_equal(part, kept[name])
        assert not np.shares_memory(part, second[name])


def test_step_without_an_episode_is_refused() -> None:
    environment = make(max_steps=1)
    with pytest.raises(RuntimeError, match="the episode has not begun or is over; call reset before step"):
        environment.step(STRAIGHT_ON)
    environment.reset(seed=0)
    environment.step(STRAIGHT_ON)
    with pytest.raises(RuntimeError, match="call reset before step"):
        environment.step(STRAIGHT_ON)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.zeros(3, np.float32), "it must be a NumPy array of two numbers"),
        (np.zeros((2, 1), np.float32), "it must be a NumPy array of two numbers"),
        (np.float32(0.0), "it must be a NumPy array of two numbers"),
        ([0.0, 0.0], "it must be a NumPy array of two numbers"),
        (action(np.nan, 0.0), "both numbers must be finite"),
        (action(0.0, np.nan), "both numbers must be finite"),
    ],
)
def test_actions_that_are_not_two_numbers_are_refused(wrong: Any, message: str) -> None:
    environment = make()
    environment.reset(seed=0)
    with pytest.raises(ValueError, match=message):
        environment.step(wrong)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"start": "flying"}, "start is 'flying'; it must be 'random' or 'standing'"),
        ({"track": "random:5-3"}, "track 'random:5-3' is an empty range; write the smaller number first: random:3-5"),
        ({"laps": 0}, "laps is 0; it must be at least 1"),
        ({"max_steps": -5}, "max_steps is -5; it must be at least 1"),
        ({"render_mode": "ansi"}, "render_mode is 'ansi'; it must be None or 'rgb_array'"),
        ({"camera": 8}, "camera is 8 pixels wide; it must be 16 to 1024, or False"),
        ({"track": "nordschleife"}, "track 'nordschleife' is unknown"),
    ],
)
def test_invalid_arguments_are_refused_with_the_rule(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Racetrack(**arguments)
