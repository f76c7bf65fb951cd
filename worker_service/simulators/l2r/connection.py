"""The environment's connection to a simulator: all four interfaces, and the time that passes between them."""

import contextlib
import time
from collections.abc import Mapping
from typing import Final

from worker_service.simulators.l2r.channels import ActionSender, CameraReceiver, PoseReceiver
from worker_service.simulators.l2r.control import Control
from worker_service.simulators.l2r.errors import SimulatorUnreachableError
from worker_service.simulators.l2r.own_emulator import OwnEmulator
from worker_service.simulators.l2r.protocol import CAMERAS, DRIVER, FORMAT, Action, Image, Ports, Pose, PoseIndex

STEP_SECONDS: Final = 0.1
"""Simulated time of a step."""
POLL_STEPS: Final = 500
POLL_STEER_RADIANS: Final = 0.05
"""Of a full steer, so much shows that the car obeys."""
POLL_ACTION: Final = Action(steer_radians=1.0, acceleration=6.0)
ANSWER_SECONDS: Final = 20.0
"""A pose or picture that takes longer does not come; less than a worker's deadline of a step."""


class Connection:
    """One simulator, ready to be driven.

    Args:
        host: of the simulator.
        ports: of the simulator; the pose's is not used.
        poses: takes in the poses; closed with the connection.
        client: this machine, as the simulator reaches it.
        speed: simulated seconds a second; None for a simulator that waits for each action.
        pauses: see `Control`.
        cameras: width and height of each camera that is to send pictures.
        emulator: that is the simulator, if it is this environment's own; ended with the connection.

    Raises:
        SimulatorUnreachableError: it does not answer.
    """

    def __init__(
        self,
        host: str,
        ports: Ports,
        poses: PoseReceiver,
        *,
        client: str,
        speed: float | None,
        pauses: bool,
        cameras: Mapping[str, tuple[int, int]],
        emulator: OwnEmulator | None = None,
    ) -> None:
        self._speed = speed
        self._poses = poses
        self._client = client
        self._sizes = dict(cameras)
        self._seconds = 0.0
        self._epoch = time.monotonic()
        self._stack = contextlib.ExitStack()
        self._emulator = emulator
        if emulator is not None:
            self._stack.callback(emulator.stop)
        self._stack.callback(poses.close)
        with contextlib.ExitStack() as undo:
            undo.callback(self._stack.close)
            self.control = Control(host, ports.control, pauses=pauses)
            self._stack.callback(self.control.close)
            self._actions = ActionSender(host, ports.action)
            self._stack.callback(self._actions.close)
            self._cameras = []
            for name, (width, height) in cameras.items():
                receiver = CameraReceiver(name, host, ports.cameras[name], (height, width, 3))
                self._stack.callback(receiver.close)
                self._cameras.append(receiver)
            undo.pop_all()

    @property
    def seconds(self) -> float:
        """Simulated time since the connection was made."""
        return self._seconds if self._speed is None else self._speed * (time.monotonic() - self._epoch)

    def configure(self, level_name: str) -> None:
        """Opens a level, and sets driver and cameras up.

        Raises:
            SimulatorUnreachableError, SimulatorRefusedError: it does not do as it is told.
        """
        self.control.open_level(level_name)
        self.control.set_sensor_params(
            DRIVER,
            {"DriverAPIClass": "VApiUdp", "DriverAPI_UDP_SendAddress": self._client, "InputSource": "AI"},
        )
        for camera, (width, height) in self._sizes.items():
            self.control.enable_sensor(camera)
            self.control.set_sensor_params(
                camera,
                {
                    "ColorPublisher : Addr": f"tcp://0.0.0.0:{CAMERAS[camera]}",
                    "Format": FORMAT,
                    "bAutoAdvertise": True,
                    "FOVAngle": 90,
                    "Width": width,
                    "Height": height,
                },
            )

    def take_wheel(self) -> Pose:
        """Makes the car obey, which moves it a little; returns the pose that shows it.

        Raises:
            SimulatorUnreachableError: it does not obey.
            SimulatorRefusedError: a call was refused.
        """
        self.control.let_client_drive()
        for camera in self._cameras:
            self.control.enable_sensor(camera.name)
        self._poses.drain()
        for camera in self._cameras:
            camera.drop()
        for _ in range(POLL_STEPS):
            pose = self.step(POLL_ACTION, must_answer=False)
            if pose is not None and abs(pose[PoseIndex.STEER]) > POLL_STEER_RADIANS:
                return pose
        raise SimulatorUnreachableError(
            f"the car did not steer within {POLL_STEPS} actions; does its driver take them from this machine?"
        )

    def step(self, action: Action, *, must_answer: bool = True) -> Pose | None:
        """Sends an action and lets a step's time pass; returns the newest pose then.

        Raises:
            SimulatorUnreachableError: no pose came.
            ProtocolError: one is broken.
        """
        self._poses.drain()
        self._actions.send(action)
        if self._speed is None:
            self._seconds += STEP_SECONDS
            return self._poses.wait(ANSWER_SECONDS)
        time.sleep(STEP_SECONDS / self._speed)
        pose = self._poses.drain()
        if pose is None and must_answer:
            pose = self._poses.wait(ANSWER_SECONDS)
        return pose

    def images(self) -> dict[str, Image]:
        """The newest picture of each camera; in lock-step, that of the last step.

        Raises:
            SimulatorUnreachableError: there is none.
            ProtocolError: one is broken.
        """
        take = CameraReceiver.next if self._speed is None else CameraReceiver.newest
        return {camera.name: take(camera, ANSWER_SECONDS) for camera in self._cameras}

    def failure(self, error: SimulatorUnreachableError) -> Exception:
        """The error to raise in place of this one: with an emulator of its own, one that says where its log is."""
        return error if self._emulator is None else self._emulator.failure(f"failed ({error})")

    def close(self) -> None:
        """Frees everything."""
        self._stack.close()
