"""The emulator's control, without sockets: every method of the simulator, and what it answers to nonsense."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.l2r.courses import ring, write_ring
from worker_service.simulators.l2r.conventions import UNVERIFIED
from worker_service.simulators.l2r.emulator.methods import Methods
from worker_service.simulators.l2r.emulator.simulation import Simulation
from worker_service.simulators.l2r.protocol import Action, PoseIndex, decode_image

RING = "../../../ArrivalSim/Content/Ribbon/ring/ring.umap"
DRIVER = "ArrivalVehicleDriver"
FRONT = "CameraFrontRGB"


class Client:
    """Calls a simulation as text."""

    def __init__(self, track: str | None) -> None:
        self.simulation = Simulation(UNVERIFIED, track)
        self._methods = Methods(self.simulation)

    def answer(self, method: str, **params: Any) -> dict[str, Any]:
        request = {"jsonrpc": "2.0", "id": 5, "method": method, "params": params}
        answer: dict[str, Any] = json.loads(self._methods.answer(json.dumps(request)))
        assert (answer["jsonrpc"], answer["id"]) == ("2.0", 5)
        return answer

    def call(self, method: str, **params: Any) -> Any:
        answer = self.answer(method, **params)
        assert "result" in answer, answer
        return answer["result"]

    def refusal(self, method: str, **params: Any) -> str:
        return str(self.answer(method, **params)["error"]["message"])

    def raw(self, text: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self._methods.answer(text))
        return answer

    def seat(self) -> None:
        """Lets a client drive, as Learn-to-Race does."""
        values = {"DriverAPIClass": "VApiUdp", "DriverAPI_UDP_SendAddress": "10.0.0.9", "InputSource": "AI"}
        parameters = [{"name": name, "value": value} for name, value in values.items()]
        self.call("set_sensor_params", veh_id=0, sensor_name=DRIVER, parameters=parameters)
        self.call("set_sensor_param", veh_id=0, sensor_name=DRIVER, parameter_name="bADModeInput", value=True)


@pytest.fixture(scope="module")
def ring_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_ring(tmp_path_factory.mktemp("ring"))


@pytest.fixture
def client(ring_file: str) -> Client:
    return Client(ring_file)


def test_boots_into_the_main_menu_where_there_is_no_car() -> None:
    client = Client(None)
    assert client.call("get_level") == "MainMenu"
    assert client.call("get_level_vehicles") == []
    assert client.simulation.pose() is None
    assert client.refusal("reset_level") == "no level is open; call open_level first"
    assert "level 'monza' is unknown; it must be one of ../../../" in client.refusal("open_level", level_name="monza")


def test_levels_are_opened_by_path_or_name(client: Client) -> None:
    assert client.call("get_level") == "ring"
    assert RING in client.call("get_levels")
    assert client.call("open_level", level_name=RING) == 0
    assert client.call("open_level", level_name="ring") == 0
    assert client.call("get_level_vehicles") == [{"veh_id": 0, "vehicle_class_name": "EmbeddedCar"}]
    assert client.call("get_vehicle_classes") == ["EmbeddedCar"]


def test_only_a_client_with_the_wheel_drives(client: Client) -> None:
    action = Action(steer_radians=1.0, acceleration=6.0)
    for seated in (False, True):
        if seated:
            client.seat()
        client.simulation.drive(action)
        client.simulation.advance(0.1)
        pose = client.simulation.pose()
        assert pose is not None
        assert (abs(pose[PoseIndex.STEER]) > 0.05) == seated
        assert pose[PoseIndex.MODE] == float(seated)
    assert client.simulation.pose_address == "10.0.0.9"


def test_reset_puts_the_car_back_and_takes_the_wheel_but_not_the_settings(client: Client) -> None:
    client.seat()
    client.call("enable_sensor", sensor_name=FRONT)
    client.simulation.drive(Action(steer_radians=0.0, acceleration=6.0))
    for _ in range(20):
        client.simulation.advance(0.1)
    moved = client.call("get_vehicle_state", veh_id=0)
    client.call("reset_level")
    start = client.call("get_vehicle_state", veh_id=0)
    x, y = ring().track.centre_line[0]
    assert start["pos_xyz"][:2] == pytest.approx([-x, -y], abs=0.01)
    assert np.hypot(*(np.array(moved["pos_xyz"][:2]) - start["pos_xyz"][:2])) > 5.0
    mode = client.call("get_sensor_param", sensor_name=DRIVER, parameter_name="bADModeInput")
    address = client.call("get_sensor_param", sensor_name=DRIVER, parameter_name="DriverAPI_UDP_SendAddress")
    assert (mode, address) == (False, "10.0.0.9")
    assert client.call("get_sensor_params", sensor_name=FRONT)["enabled"] is True


def test_vehicle_is_placed_in_the_simulators_axes(client: Client) -> None:
    location, rotation = {"x": 10.0, "y": -20.0, "z": 3.0}, {"yaw": 1.0, "pitch": 0.0, "roll": 0.0}
    client.call("set_vehicle_position", veh_id=0, location=location, rotation=rotation)
    state = client.call("get_vehicle_state", veh_id=0)
    assert state == {"pos_xyz": [10.0, -20.0, 0.0], "yaw": pytest.approx(1.0)}
    pose = client.simulation.pose()
    assert pose is not None
    east, north, _ = ring().reference.enu(*pose[PoseIndex.LONGITUDE : PoseIndex.LONGITUDE + 3])
    assert (east, north) == pytest.approx((-10.0, 20.0), abs=1e-6)
    assert pose[PoseIndex.YAW] == pytest.approx(1.0), "clockwise from North, as the rotation"


def test_pictures_have_the_size_asked_for_and_sky_above_road(client: Client) -> None:
    assert list(client.simulation.pictures()) == []
    values = {"Width": 96, "Height": 72, "FOVAngle": 90, "Format": "ColorBGR8", "bAutoAdvertise": True}
    parameters = [{"name": name, "value": value} for name, value in values.items()]
    client.call("set_sensor_params", sensor_name=FRONT, parameters=parameters)
    client.call("enable_sensor", sensor_name=FRONT)
    client.call("enable_sensor", sensor_name="CameraLeftRGB")
    pictures = dict(client.simulation.pictures())
    assert set(pictures) == {FRONT, "CameraLeftRGB"}
    image, frame = decode_image(pictures[FRONT])
    assert image.shape == (72, 96, 3)
    red, _, blue = image[:5].mean(axis=(0, 1))
    assert blue > red + 40.0
    left, _ = decode_image(pictures["CameraLeftRGB"])
    assert left.shape == (384, 512, 3)
    client.call("disable_sensor", sensor_name="CameraLeftRGB")
    (name, again), *rest = client.simulation.pictures()
    assert (name, decode_image(again)[1], rest) == (FRONT, frame + 1, [])


def test_vehicle_parameters_are_read_set_and_reset(client: Client) -> None:
    def mass() -> float:
        entries = client.call("get_vehicle_params", veh_id=0)["parameters"]
        return float(next(entry["value"] for entry in entries if entry["name"] == "mass_kilograms"))

    assert mass() == 1000.0
    client.call("set_vehicle_params", veh_id=0, parameters=[{"name": "mass_kilograms", "value": 1200.0}])
    client.call("reset_level")
    assert mass() == 1200.0, "a reset of the level leaves them"
    client.call("reset_default_vehicle_params", veh_id=0)
    assert mass() == 1000.0
    assert client.refusal("set_vehicle_params", parameters=[{"name": "wings", "value": 1}]) == (
        "the vehicle has no parameter wings"
    )


@pytest.mark.parametrize(
    ("method", "params", "message"),
    [
        ("set_sensor_param", {"sensor_name": "Lidar", "parameter_name": "x", "value": 1}, "sensor 'Lidar' is unknown"),
        (
            "set_sensor_param",
            {"sensor_name": FRONT, "parameter_name": "Zoom", "value": 1},
            "sensor CameraFrontRGB has no parameter 'Zoom'; it has ColorPublisher",
        ),
        (
            "set_sensor_param",
            {"sensor_name": FRONT, "parameter_name": "Width", "value": "wide"},
            "parameter Width of CameraFrontRGB is 'wide'; it must be a int",
        ),
        (
            "set_sensor_param",
            {"sensor_name": FRONT, "parameter_name": "Format", "value": "SegmBGR8"},
            "this emulator draws ColorBGR8 alone",
        ),
        ("enable_sensor", {}, "enable_sensor needs the parameter 'sensor_name'"),
        ("set_vehicle_position", {"location": {"x": 1.0}}, "set_vehicle_position needs the parameter 'rotation'"),
    ],
)
def test_wrong_parameters_are_refused_by_name(
    client: Client, method: str, params: dict[str, Any], message: str
) -> None:
    assert message in client.refusal(method, **params)


def test_nonsense_gets_the_codes_of_json_rpc(client: Client) -> None:
    assert client.raw("{")["error"]["code"] == -32700
    assert client.raw("[]")["error"]["code"] == -32600
    assert client.raw('{"id": 1, "method": "fly"}')["error"]["code"] == -32601
    assert client.raw('{"id": 1, "method": "get_level", "params": [1]}')["error"]["code"] == -32602


def test_an_accelerometer_at_rest_shows_gravity(client: Client) -> None:
    client.simulation.advance(0.1)
    pose = client.simulation.pose()
    assert pose is not None
    acceleration = pose[PoseIndex.ACCELERATION : PoseIndex.ACCELERATION + 3]
    assert np.linalg.norm(acceleration) == pytest.approx(9.81, abs=0.05)


def test_file_of_a_track_is_named_by_its_stem(ring_file: str) -> None:
    assert Path(ring_file).is_absolute()
    assert Client(ring_file).simulation.level == "ring"
