"""Where the simulator is: one that runs somewhere, or an emulator that the environment starts."""

from collections.abc import Mapping
from typing import Final

from worker_service.simulators.l2r.channels import PoseReceiver
from worker_service.simulators.l2r.connection import Connection
from worker_service.simulators.l2r.course import Course
from worker_service.simulators.l2r.own_emulator import LOOPBACK, OwnEmulator
from worker_service.simulators.l2r.protocol import Ports

EMULATOR: Final = "emulator"


def open_connection(
    simulator: str,
    *,
    course: Course,
    speed: float | None,
    client: str,
    cameras: Mapping[str, tuple[int, int]],
    conventions: str,
) -> Connection:
    """The connection to a simulator.

    Args:
        simulator: "emulator", HOST or HOST:PORT, see `LearnToRace`.
        course: what is driven.
        speed: simulated seconds a second; None for the default of the simulator's kind.
        client: this machine, as the simulator reaches it.
        cameras: width and height of each.
        conventions: see `Conventions.parse`.

    Raises:
        ValueError: an argument is invalid.
        SimulatorProcessError: the emulator did not come up.
        OSError: a port is taken, or the simulator does not answer.
    """
    if speed is not None and not 0.0 < speed <= 1000.0:
        raise ValueError(f"speed is {speed}; it must be above 0 and at most 1000, or None")
    if simulator == EMULATOR:
        poses = PoseReceiver(0, LOOPBACK)
        try:
            emulator = OwnEmulator(course.name, pose_port=poses.port, speed=speed, conventions=conventions)
        except BaseException:
            poses.close()
            raise
        # Its answers come when it has done what it was told, so nothing has to pause for it.
        return Connection(
            LOOPBACK,
            emulator.ports,
            poses,
            client=LOOPBACK,
            speed=speed,
            pauses=False,
            cameras=cameras,
            emulator=emulator,
        )
    host, colon, base = simulator.partition(":")
    if not host or (colon and not base.isdigit()):
        raise ValueError(f"simulator is {simulator!r}; it must be {EMULATOR}, HOST or HOST:PORT")
    ports = Ports.from_base(int(base)) if colon else Ports()
    # Only the emulator serves at other ports than the published.
    pauses = not colon
    return Connection(
        host, ports, PoseReceiver(ports.pose), client=client, speed=speed or 1.0, pauses=pauses, cameras=cameras
    )
