"""The environment with TORCS itself: real processes, the real robot."""

import math
import os
import signal
import socket
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.bare_client import eventually
from tests.scr.simulators import needs_torcs, running_torcs, zombies
from worker_service.environment import make_environment
from worker_service.simulator_process import LOGS_VARIABLE, SimulatorProcessError
from worker_service.simulators.scr.connection import ScrConnection
from worker_service.simulators.scr.environment import Torcs
from worker_service.simulators.scr.protocol import Action
from worker_service.simulators.scr.torcs import Torcs as TorcsProgram

pytestmark = [pytest.mark.slow, needs_torcs]

Maker = Callable[..., Torcs]
EVERY_TEN_DEGREES = range(-90, 91, 10)
LAP_METRES = 2057.56
"""Of g-track-1."""


@pytest.fixture
def marker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    marker = uuid.uuid4().hex
    monkeypatch.setenv("TORCS_TEST", marker)
    monkeypatch.setenv(LOGS_VARIABLE, str(tmp_path / "failed"))
    return marker


@pytest.fixture
def make(marker: str) -> Iterator[Maker]:
    made: list[Torcs] = []

    def make(**arguments: Any) -> Torcs:
        environment = make_environment("Torcs-v0", arguments).unwrapped
        assert isinstance(environment, Torcs)
        made.append(environment)
        return environment

    yield make
    for environment in made:
        environment.close()
    assert running_torcs(marker) == []


def careful(observation: NDArray[np.float32], most_metres_per_second: float = 25.0) -> NDArray[np.float32]:
    """Follows the middle of the road at a speed from which it can stop within sight."""
    speed, angle, position = 40.0 * observation[0], 0.3 * observation[3], observation[5]
    sight = 200.0 * observation[13 + 9] ** 2
    wanted = min(most_metres_per_second, math.sqrt(8.0 * max(sight - 5.0, 1.0) + 100.0))
    return np.clip(np.array([(angle - 0.35 * position) / 0.66, 0.3 * (wanted - speed)], np.float32), -1.0, 1.0)


def drive(
    environment: Torcs, seed: int = 0, steps: int = 10_000
) -> list[tuple[NDArray[np.float32], float, dict[str, Any]]]:
    observation, _ = environment.reset(seed=seed)
    driven: list[tuple[NDArray[np.float32], float, dict[str, Any]]] = [(observation, 0.0, {})]
    for _ in range(steps):
        observation, reward, terminated, truncated, info = environment.step(careful(observation))
        driven.append((observation, reward, info))
        if terminated or truncated:
            break
    return driven


def test_a_careful_driver_completes_laps_on_time(make: Maker) -> None:
    environment = make(start="grid", laps=2)
    driven = drive(environment)
    laps = [info["lap"] for _, _, info in driven if "lap" in info]
    assert [lap["standing_start"] for lap in laps] == [True, False]
    assert 70 < laps[1]["time_seconds"] < 120
    assert environment._sensors is not None
    # TORCS counts in steps of 2 ms.
    assert environment._sensors.number("lastLapTime") == pytest.approx(laps[1]["time_seconds"], abs=0.004)
    metrics = driven[-1][2]["metrics"]
    assert metrics["laps_completed"] == metrics["laps_started"] == 2.0
    assert metrics["distance_metres"] == pytest.approx(2 * LAP_METRES + 25.0, abs=5.0)


def test_the_same_seed_drives_the_same_to_the_bit(make: Maker) -> None:
    first = drive(make(), seed=3, steps=150)
    second = drive(make(), seed=3, steps=150)
    other = drive(make(), seed=4, steps=150)
    for (one, reward, _), (two, same_reward, _) in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, two)
        assert reward == same_reward
    assert not np.array_equal(first[0][0], other[0][0]), "another start"


def test_random_starts_stand_all_around_the_track(make: Maker) -> None:
    environment = make(max_steps=1)
    places = []
    for seed in range(12):
        environment.reset(seed=seed)
        assert environment._sensors is not None
        places.append(environment._sensors.number("distFromStart"))
        assert abs(environment._sensors.number("trackPos")) < 0.05
        assert abs(environment._sensors.number("angle")) < 0.05
        assert abs(environment._sensors.number("speedX")) < 1.0
        assert not environment._server.from_grid
    shares = np.sort(np.array(places)) / LAP_METRES
    assert shares[0] < 0.4 and shares[-1] > 0.6
    assert len(np.unique(shares.round(3))) == 12


def test_a_track_with_a_grid_of_its_own_begins_there(make: Maker) -> None:
    environment = make(track="wheel-2", start="random")
    places = set()
    for seed in range(3):
        environment.reset(seed=seed)
        assert environment._sensors is not None and environment._server.from_grid
        places.add(environment._sensors.number("distFromStart"))
    assert len(places) == 1


def test_range_finders_measure_the_road(marker: str) -> None:
    """On the straight after the line, 15 m wide."""
    program = TorcsProgram("g-track-1", "p406")
    try:
        connection = ScrConnection("127.0.0.1", program.start(LAP_METRES - 60.0), answer_seconds=20.0)
        sensors = connection.identify(EVERY_TEN_DEGREES, 20.0)
        ranges = dict(zip(EVERY_TEN_DEGREES, sensors.numbers("track", 19), strict=True))
        left = 7.5 * (1.0 - sensors.number("trackPos"))
        assert ranges[-90] == pytest.approx(left, abs=0.05)
        assert ranges[90] == pytest.approx(15.0 - left, abs=0.05)
        for degrees in (20, 30, 60, 80):
            assert ranges[-degrees] == pytest.approx(left / math.sin(math.radians(degrees)), rel=0.02)
            assert ranges[degrees] == pytest.approx((15.0 - left) / math.sin(math.radians(degrees)), rel=0.02)
        connection.close()
    finally:
        program.close()


def test_steer_to_the_left_leads_to_the_left(make: Maker) -> None:
    positions, angles = {}, {}
    for steer in (-0.05, 0.05):
        environment = make(track="b-speedway", start="grid")
        environment.reset(seed=0)
        for _ in range(35):
            observation, _, _, _, _ = environment.step(np.array([steer, 1.0], np.float32))
        angles[steer], positions[steer] = observation[3], observation[5]
    assert positions[0.05] - positions[-0.05] > 0.1, "to the left of the middle is positive"
    assert angles[0.05] < 0.0 < angles[-0.05], "to the right of the track's direction is positive"


def test_the_gearbox_takes_the_car_through_its_gears(make: Maker) -> None:
    environment = make(track="b-speedway", start="grid")
    environment.reset(seed=0)
    gears = []
    for _ in range(250):
        _, _, terminated, _, _ = environment.step(np.array([0.0, 1.0], np.float32))
        assert environment._sensors is not None
        gears.append(environment._sensors.number("gear"))
        if terminated:
            break
    assert set(gears) >= {1.0, 2.0, 3.0}
    assert max(gears) == gears[-1] >= 3.0


def test_aids_keep_wheels_from_locking(make: Maker) -> None:
    slips = {}
    for aids in (True, False):
        environment = make(track="b-speedway", start="grid", driver_aids=aids)
        environment.reset(seed=0)
        for _ in range(50):
            environment.step(np.array([0.0, 1.0], np.float32))
        slip = 0.0
        for _ in range(10):
            observation, _, _, _, _ = environment.step(np.array([0.0, -1.0], np.float32))
            slip = min(slip, float(np.mean(observation[9:13])))
        slips[aids] = slip
    assert slips[False] < 2 * slips[True] < 0.0


def test_instances_side_by_side_have_ports_of_their_own(make: Maker, marker: str) -> None:
    environments = [make() for _ in range(4)]
    for seed, environment in enumerate(environments):
        environment.reset(seed=seed)
    ports = {environment._server.connection._socket.getpeername()[1] for environment in environments}
    assert len(ports) == 4
    assert len(running_torcs(marker)) == 4
    for environment in environments:
        environment.step(np.array([0.0, 1.0], np.float32))


def test_reset_leaves_one_process_and_no_zombie(make: Maker, marker: str) -> None:
    environment = make()
    for seed in range(10):
        environment.reset(seed=seed)
        environment.step(np.array([0.0, 1.0], np.float32))
    assert len(running_torcs(marker)) == 1
    assert zombies() == []


def test_close_leaves_neither_process_nor_folder(make: Maker, marker: str) -> None:
    environment = make()
    environment.reset(seed=0)
    folder = environment._server._torcs._folder  # type: ignore[attr-defined]
    assert folder.is_dir()
    environment.close()
    assert not folder.exists()
    assert running_torcs(marker) == []


def test_a_torcs_that_dies_is_told_and_begun_anew(make: Maker, marker: str, tmp_path: Path) -> None:
    environment = make(answer_seconds=2.0)
    environment.reset(seed=0)
    (pid,) = running_torcs(marker)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(SimulatorProcessError) as raised:
        for _ in range(100):
            environment.step(np.array([0.0, 1.0], np.float32))
    (kept,) = (tmp_path / "failed").glob("*.log")
    assert "(it was ended by SIGKILL): see " in str(raised.value)
    assert "scr: listening on 127.0.0.1:" in kept.read_text()
    environment.reset(seed=0)
    environment.step(np.array([0.0, 1.0], np.float32))


def test_a_torcs_that_freezes_is_killed_after_the_deadline(make: Maker, marker: str) -> None:
    environment = make(answer_seconds=0.5)
    environment.reset(seed=0)
    (pid,) = running_torcs(marker)
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(SimulatorProcessError, match=r"has not answered within 0\.5 s: see "):
        for _ in range(100):
            environment.step(np.array([0.0, 1.0], np.float32))
    assert running_torcs(marker) == []


def test_a_restart_is_answered_with_the_end_of_the_race(marker: str) -> None:
    program = TorcsProgram("g-track-1", "p406")
    try:
        connection = ScrConnection("127.0.0.1", program.start(25.0), answer_seconds=20.0)
        connection.identify(EVERY_TEN_DEGREES, 20.0)
        connection.restart()
        connection.close()
        eventually(lambda: not program._process.alive, "the end of the process")
    finally:
        program.close()


def test_a_race_ends_without_its_client(marker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker_service.simulators.scr.torcs.PATIENCE_SECONDS", 0.3)
    program = TorcsProgram("g-track-1", "p406")
    try:
        connection = ScrConnection("127.0.0.1", program.start(25.0), answer_seconds=20.0)
        connection.identify(EVERY_TEN_DEGREES, 20.0)
        eventually(lambda: not program._process.alive, "the end of the process")
        assert "scr: the client has not answered within 0.3" in program._process.log.read_text()
        connection.close()
    finally:
        program.close()


def test_the_robot_survives_what_is_no_message(marker: str) -> None:
    program = TorcsProgram("g-track-1", "p406")
    try:
        port = program.start(25.0)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for text in (b"", b"hello", b"\0" * 100, b"(steer" * 500):
                stranger.sendto(text, ("127.0.0.1", port))
        connection = ScrConnection("127.0.0.1", port, answer_seconds=20.0)
        connection.identify(EVERY_TEN_DEGREES, 20.0)
        for text in (b"nonsense", b"(steer nan)(accel inf)(gear 999999)(brake", b"", b"(steer 1e400)"):
            connection._socket.send(text)
            assert abs(connection.sensors().number("speedX")) < 5.0
        connection.act(Action(accelerate=1.0))
        connection.sensors()
        connection.close()
    finally:
        program.close()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            {"track": "nordschleife"},
            "track is 'nordschleife', which TORCS does not have; it must be one of a-speedway, ",
        ),
        ({"car": "trabant"}, "car is 'trabant', which TORCS does not have; it must be one of 155-DTM, "),
    ],
)
def test_unknown_names_are_refused_with_the_known_ones(arguments: dict[str, str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        make_environment("Torcs-v0", arguments)
