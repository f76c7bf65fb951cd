"""The environment against the emulator, through the wire."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from websockets.sync.client import connect

import worker_service.simulators  # registers
from tests.bare_client import eventually
from tests.l2r.courses import write_ring
from tests.l2r.emulators import emulator
from tests.l2r.test_protocol import GOLDEN_ACTION
from worker_service.simulator_process import SimulatorProcessError
from worker_service.simulators.l2r.environment import LearnToRace
from worker_service.simulators.l2r.errors import SimulatorUnreachableError
from worker_service.simulators.l2r.protocol import POSE, Ports
from worker_service.simulators.racetrack.driver import Driver

assert worker_service.simulators
pytestmark = pytest.mark.slow


def make(**arguments: Any) -> LearnToRace:
    environment = gymnasium.make("LearnToRace-v0", **arguments)
    assert isinstance(environment, LearnToRace), "make wraps the environment"
    return environment


@pytest.fixture(scope="module")
def ring_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_ring(tmp_path_factory.mktemp("ring"))


@pytest.fixture(scope="module")
def environment(ring_file: str) -> Iterator[LearnToRace]:
    """In lock-step with an emulator of its own."""
    environment = make(track=ring_file)
    yield environment
    environment.close()


def act(steer: float, acceleration: float) -> Any:
    return np.array([steer, acceleration], np.float32)


def drive_laps(environment: LearnToRace, seed: int | None = None) -> tuple[list[float], list[dict[str, Any]]]:
    """Rewards and infos of an episode of the feedback driver, at three quarters of its speed."""
    driver = Driver(environment.course.track, grip_share=0.4, margin_metres=2.0)
    environment.reset(seed=seed)
    rewards, infos, ended = [], [], False
    while not ended:
        _, reward, terminated, truncated, info = environment.step(driver.act(environment.state))
        rewards.append(reward)
        infos.append(info)
        ended = terminated or truncated
    assert truncated
    return rewards, infos


def test_lap_through_the_wire_is_timed_rewarded_and_measured(environment: LearnToRace) -> None:
    rewards, infos = drive_laps(environment)
    points = len(environment.course.centre)
    assert sum(rewards) == pytest.approx(points, abs=20)
    (lap,) = [info["lap"] for info in infos if "lap" in info]
    assert (lap["number"], lap["standing_start"]) == (1, True)
    assert lap["time_seconds"] == pytest.approx(0.1 * len(infos), abs=0.11)
    metrics = infos[-1]["metrics"]
    assert (metrics["success"], metrics["laps_completed"], metrics["laps_started"]) == (1.0, 1.0, 1.0)
    assert metrics["completion_percent"] == pytest.approx(100.0, abs=0.5)
    assert metrics["duration_seconds"] == pytest.approx(0.1 * len(infos))
    assert metrics["admissibility"] == 1.0
    assert environment.metrics is not None


def test_lock_step_repeats_an_episode_exactly(environment: LearnToRace) -> None:
    first, infos = drive_laps(environment)
    second, again = drive_laps(environment)
    assert first == second
    np.testing.assert_array_equal(infos[-1]["pose"], again[-1]["pose"])


def test_leaving_the_track_ends_the_episode_with_the_fine(environment: LearnToRace) -> None:
    environment.reset()
    terminated, steps = False, 0
    while not terminated:
        _, reward, terminated, truncated, info = environment.step(act(0.0, 1.0))
        steps += 1
        assert not truncated
    assert reward <= -25.0
    assert info["metrics"]["out_of_bounds"] == 1.0
    assert steps < 60
    with pytest.raises(RuntimeError, match="is over; call reset before step"):
        environment.step(act(0.0, 0.0))


def test_standing_still_is_stuck_after_a_hundred_steps(environment: LearnToRace) -> None:
    environment.reset()
    for _ in range(130):
        _, _, terminated, _, info = environment.step(act(0.0, -1.0))
        if terminated:
            break
    assert info["metrics"]["stuck"] == 1.0


def test_random_starts_follow_the_seed_and_lie_on_the_track(environment: LearnToRace) -> None:
    places = []
    for seed in (1, 2, 1):
        environment.reset(seed=seed, options={"start": "random"})
        state = environment.state
        places.append((state.x_metres, state.y_metres))
        assert abs(state.offset_metres) < 0.5
        assert abs(state.heading_error_radians) < 0.1
        assert state.speed_metres_per_second < 1.0
    assert places[0] == places[2] != places[1]


def test_wrong_actions_and_starts_are_refused(environment: LearnToRace) -> None:
    with pytest.raises(ValueError, match="start is 'flying'; it must be one of standing, random"):
        environment.reset(options={"start": "flying"})
    environment.reset()
    with pytest.raises(ValueError, match="it must be two finite numbers"):
        environment.step(act(np.nan, 0.0))
    with pytest.raises(ValueError, match="it must be two finite numbers"):
        environment.step(np.zeros(3, np.float32))


# A pose has no bounds that anybody has published.
@pytest.mark.filterwarnings("ignore:.*A Box observation space m.* is -?infinity:UserWarning")
def test_environment_keeps_gymnasiums_contract_with_pictures_and_pose(ring_file: str) -> None:
    environment = make(
        track=ring_file, view="pose", cameras="CameraFrontRGB", camera_width=64, camera_height=48, max_steps=20
    )
    try:
        assert set(environment.observation_space.spaces) == {"pose", "CameraFrontRGB"}  # type: ignore[attr-defined]
        check_env(environment, skip_render_check=True)
        first, _ = environment.reset(seed=0)
        second, _, _, _, info = environment.step(act(0.0, 1.0))
        for _ in range(15):
            second, _, _, _, info = environment.step(act(0.3, 1.0))
        assert second["CameraFrontRGB"].shape == (48, 64, 3)
        assert (first["CameraFrontRGB"] != second["CameraFrontRGB"]).any(), "each step has a picture of its own"
        np.testing.assert_array_equal(second["pose"], info["pose"])
        assert second["pose"][2] == -1.0, "no track of Learn-to-Race"
    finally:
        environment.close()


def test_accelerated_clock_drives_the_same_lap(ring_file: str) -> None:
    environment = make(track=ring_file, speed=4.0)
    try:
        rewards, infos = drive_laps(environment)
    finally:
        environment.close()
    assert sum(rewards) == pytest.approx(len(environment.course.centre), abs=40)
    lap = next(info["lap"] for info in infos if "lap" in info)
    # Steps are as long as the machine lets them be; the lap is timed by the clock all the same.
    assert lap["time_seconds"] == pytest.approx(infos[-1]["metrics"]["duration_seconds"], abs=1.0)


def test_emulator_that_somebody_started_is_driven_by_its_first_port(tmp_path: Path, ring_file: str) -> None:
    # Apart from that of another test run on this machine.
    base = 20_000 + os.getpid() % 1000 * 10
    flags = ("--port-base", str(base), "--track", ring_file, "--speed", "8")
    with emulator(tmp_path, base + 1, *flags) as (ports, _):
        assert ports == Ports.from_base(base)
        environment = make(track=ring_file, simulator=f"127.0.0.1:{base}", speed=8.0)
        try:
            environment.reset(seed=3, options={"start": "random"})
            for _ in range(10):
                _, _, terminated, _, info = environment.step(act(0.0, 1.0))
            assert not terminated
            assert info["pose"][3] > 1.0
        finally:
            environment.close()


def test_killed_emulator_is_one_sentence_with_its_log_and_leaves_nothing(
    ring_file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISTRIB_L2R_SIMULATOR_LOGS", str(tmp_path))
    environment = make(track=ring_file)
    environment.reset()
    pid = environment._connection._emulator.pid  # type: ignore[union-attr]
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(SimulatorProcessError, match=r"l2r-emulator failed .* \(it was ended by SIGKILL\): see .*\.log"):
        for _ in range(3):
            environment.step(act(0.0, 0.5))
    environment.close()
    assert len(list(tmp_path.glob("*.log"))) == 1
    assert not Path(f"/proc/{pid}").exists()


def test_closing_ends_the_emulator(ring_file: str) -> None:
    environment = make(track=ring_file)
    pid = environment._connection._emulator.pid  # type: ignore[union-attr]
    environment.close()
    assert not Path(f"/proc/{pid}").exists()


def test_no_simulator_is_one_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1] - 2
    with pytest.raises(SimulatorUnreachableError, match=r"no simulator answers at ws://127.0.0.1:\d+"):
        make(track="kestrel", simulator=f"127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"start": "flying"}, "start is 'flying'; it must be one of standing, random"),
        ({"view": "lidar"}, "view is 'lidar'"),
        ({"reward": "mine"}, "reward is 'mine'; it must be one of GranTurismo, CustomReward"),
        ({"cameras": "CameraFrontRGB,CameraTop"}, "camera is 'CameraTop'"),
        ({"laps": 0}, "laps is 0 and max_steps 5000; both must be at least 1"),
        ({"max_steer": 1.5}, "max_steer is 1.5; it must be above 0 and at most 1 rad"),
        ({"conventions": "yaw=left"}, "convention 'yaw=left' is unknown"),
        ({"simulator": "host:port"}, "simulator is 'host:port'; it must be emulator, HOST or HOST:PORT"),
        ({"speed": 0.0}, "speed is 0.0; it must be above 0"),
        ({"track": "monza"}, "track 'monza' is unknown"),
    ],
)
def test_wrong_argument_is_named_with_the_rule(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**{"track": "kestrel", **arguments})


def test_bytes_on_the_wire_are_the_documented_ones(tmp_path: Path, ring_file: str) -> None:
    """Nothing of this project at the client's end but the golden bytes."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as poses, socket.socket(type=socket.SOCK_DGRAM) as actions:
        poses.bind(("127.0.0.1", 0))
        poses.settimeout(10.0)
        with emulator(tmp_path, poses.getsockname()[1], "--track", ring_file, "--lock-step") as (ports, _):
            with connect(f"ws://127.0.0.1:{ports.control}") as control:
                for name, value in (
                    ("DriverAPIClass", '"VApiUdp"'),
                    ("InputSource", '"AI"'),
                    ("bADModeInput", "true"),
                ):
                    control.send(
                        '{"jsonrpc":"2.0","id":1,"method":"set_sensor_param","params":{"sensor_name":'
                        f'"ArrivalVehicleDriver","parameter_name":"{name}","value":{value}}}}}'
                    )
                    assert '"result": 0' in str(control.recv(10.0))
            actions.sendto(b"nonsense", ("127.0.0.1", ports.action))
            actions.sendto(GOLDEN_ACTION, ("127.0.0.1", ports.action))
            pose = poses.recv(1024)
    assert len(pose) == POSE.size == 126
    values = POSE.unpack(pose)
    assert 0.05 < values[0] <= 0.3, "it steers to the left"
    assert values[1:3] == (1, 1)
    assert values[15:17] == pytest.approx((-1.0, 51.0), abs=0.01)


def test_emulator_without_a_client_waits_and_ends_on_a_signal(tmp_path: Path) -> None:
    with emulator(tmp_path, 9, "--track", "kestrel", "--speed", "2") as (_, addresses):
        eventually(addresses.exists, "the ports are told")
