"""The emulator against the client that others wrote: l2r 0.0.2 as published, in a virtual environment of its own."""

import json
import socket
import subprocess
from typing import Any

import numpy as np
import pytest

from tests.l2r.emulators import ROOT, emulator
from tests.racetrack.builders import needs_l2r_maps
from worker_service.simulators.l2r.course import find_course

PYTHON = ROOT / "build" / "l2r-client" / "bin" / "python"
STEPS = 100


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the client saw in a hundred steps and until the end of its episode."""
    if not PYTHON.exists():
        pytest.skip(f"NOT TESTED: the published client l2r 0.0.2 has no virtual environment {PYTHON}: make l2r-client")
    folder = tmp_path_factory.mktemp("client")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        pose_port = probe.getsockname()[1]
    with emulator(folder, pose_port) as (_, addresses):
        ran = subprocess.run(
            [PYTHON, ROOT / "tests" / "l2r" / "published_client.py", addresses, str(STEPS)],
            env={},
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
    assert ran.returncode == 0, ran.stderr
    content: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    assert content["version"] == "0.0.2"
    return content


@pytest.mark.slow
@needs_l2r_maps
class TestPublishedClient:
    def test_makes_and_configures(self, found: dict[str, Any]) -> None:
        assert found["level"] == "thruxton"
        assert any(name.endswith("/anglesey_national.umap") for name in found["levels"])
        assert (found["mode_before"], found["mode"]) == (False, True)
        assert {"ArrivalVehicleDriver", "CameraFrontRGB"} <= set(found["sensors"])
        assert found["vehicles"][0]["veh_id"] == 0

    def test_reset_puts_the_car_on_the_start_line_of_its_own_map(self, found: dict[str, Any]) -> None:
        start = find_course("thruxton").track.centre_line[0]
        north, east = found["first_pose"][15:17]
        assert np.hypot(east - start[0], north - start[1]) < 1.0
        position, _ = found["position"]
        assert position[:2] == pytest.approx([-start[0], -start[1]], abs=1.0), "the simulator's axes"
        assert abs(found["first_pose"][0]) > 0.05, "it steered, which ended the polling"

    def test_hundred_steps_are_rewarded_by_progress(self, found: dict[str, Any]) -> None:
        assert (found["steps"], found["done_early"]) == (STEPS, False)
        assert found["indices"] == sorted(found["indices"])
        assert found["indices"][-1] > 100
        # The very first progress counts from an index of zero, which the client takes for none.
        assert sum(found["rewards"]) == pytest.approx(found["indices"][-1] - found["indices"][0], abs=20)
        pose = found["pose"]
        assert pose[3] > 5.0
        assert pose[1:3] == [1.0, 1.0], "in drive, on track number 1"

    def test_pictures_show_the_road_and_change(self, found: dict[str, Any]) -> None:
        assert (found["picture_shape"], found["picture_type"]) == ([144, 192, 3], "uint8")
        # At most ten a second are asked for, of 25; the first steps hardly move the car.
        assert found["changed_pictures"] > 0.5 * STEPS
        red, _, blue = found["top"]
        assert blue > red + 40.0, "sky above, as red, green, blue"
        assert max(found["bottom"]) - min(found["bottom"]) < 40.0, "grey road below"

    def test_episode_ends_off_the_track_with_metrics_and_another_begins(self, found: dict[str, Any]) -> None:
        assert found["done"]
        assert found["ending"] == {"oob": True}
        assert found["last_reward"] < -20.0
        metrics = found["metrics"]
        assert 100.0 < metrics["total_distance"] < 1000.0
        assert metrics["average_speed_kph"] > 5.0
        assert metrics["trajectory_admissibility"] < 1.0
        np.testing.assert_allclose(found["second_pose"][15:17], found["first_pose"][15:17], atol=1.0)
