"""Drives the published client, l2r 0.0.2, as its users do; run by the Python of its own virtual environment.

`python published_client.py PORTS STEPS`: PORTS is the emulator's address file. Prints a line of JSON. It imports
nothing of this project, and nothing of the client is changed.
"""

import json
import sys
import warnings
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

warnings.simplefilter("ignore")  # gym's own, about its age

import numpy as np  # noqa: E402
from l2r import build_env  # noqa: E402

MOST_STEPS_TO_THE_END = 400
AHEAD_POINTS = 30
SPEED = 15.0


def follow_centre_line(environment: Any, pose: Any) -> Any:
    """Steers to a point 15 m ahead on the client's own map, at 15 m/s."""
    line = environment.racetrack.centerline_arr
    north, east, yaw = pose[15], pose[16], np.pi / 2.0 - pose[12]
    target = line[(environment.nearest_idx + AHEAD_POINTS) % len(line)]
    off = np.arctan2(target[1] - north, target[0] - east) - yaw
    off = (off + np.pi) % (2.0 * np.pi) - np.pi
    speed = float(np.hypot(pose[3], pose[4]))
    return np.clip([2.0 * off, 0.3 * (SPEED - speed)], -1.0, 1.0)


def main() -> None:
    """Makes, resets, steps, and drives off the road."""
    ports = json.loads(Path(sys.argv[1]).read_text())
    steps = int(sys.argv[2])
    camera = {
        "name": "CameraFrontRGB",
        "Width": 192,
        "Height": 144,
        "sim_addr": f"tcp://127.0.0.1:{ports['cameras']['CameraFrontRGB']}",
    }
    environment = build_env(
        levels=["Thruxton"],
        controller_kwargs={"ip": "127.0.0.1", "port": str(ports["control"])},
        camera_cfg=[camera],
        action_cfg={"ip": "127.0.0.1", "port": ports["action"], "max_steer": 0.3, "min_steer": -0.3},
        pose_cfg={"ip": "127.0.0.1", "port": ports["pose"]},
        env_ip="127.0.0.1",
    )
    controller = environment.controller
    found = {
        "version": version("l2r"),
        "level": controller.get_level(),
        "levels": controller.get_levels(),
        "mode_before": controller.get_driver_mode(),
        "sensors": [entry["sensor_name"] for entry in controller.get_sensors_params()],
        "vehicles": controller.get_active_vehicles(),
    }
    observation = environment.reset(evaluate=True)
    found["position"] = controller.get_position()
    found["mode"] = controller.get_driver_mode()
    found["first_pose"] = observation["pose"].tolist()
    pictures, rewards, indices, done = [], [], [], False
    for _ in range(steps):
        observation, reward, done, info = environment.step(follow_centre_line(environment, observation["pose"]))
        pictures.append(observation["images"]["CameraFrontRGB"])
        rewards.append(float(reward))
        indices.append(int(environment.nearest_idx))
        if done:
            break
    found["steps"] = len(rewards)
    found["done_early"] = done
    found["rewards"] = rewards
    found["indices"] = indices
    found["pose"] = observation["pose"].tolist()
    found["picture_shape"] = list(pictures[-1].shape)
    found["picture_type"] = str(pictures[-1].dtype)
    found["changed_pictures"] = sum(bool(np.any(before != after)) for before, after in pairwise(pictures))
    # Rows of the top and the bottom, mean of red, green and blue: sky, road.
    found["top"] = pictures[-1][:10].mean(axis=(0, 1)).tolist()
    found["bottom"] = pictures[-1][-10:].mean(axis=(0, 1)).tolist()
    left = 0
    while not done and left < MOST_STEPS_TO_THE_END:
        _, reward, done, info = environment.step(np.array([1.0, 0.3]))
        left += 1
    found["done"] = done
    found["ending"] = {name: value for name, value in info.items() if value is True}
    found["last_reward"] = float(reward)
    found["metrics"] = {name: float(value) for name, value in info.get("metrics", {}).items()}
    # A second episode, as every training goes on.
    found["second_pose"] = environment.reset()["pose"].tolist()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
