"""`python -m worker_service.simulators.l2r.emulator`: an emulator of the Arrival simulator's interfaces."""

import asyncio
import json
import logging
import signal
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import tyro

from worker_service.simulators.l2r.conventions import Conventions
from worker_service.simulators.l2r.emulator.server import TICK_SECONDS, Emulator
from worker_service.simulators.l2r.emulator.simulation import Simulation
from worker_service.simulators.l2r.protocol import CAMERAS, Ports


@dataclass(frozen=True, kw_only=True)
class EmulatorConfig:
    """An emulator of the simulator of Learn-to-Race, for its clients."""

    track: str | None = None
    """Opens this level at once: thruxton, anglesey, or any track of Racetrack-v0. A client may open others."""
    host: str = "127.0.0.1"
    """Interface to serve on. Nothing on it is protected."""
    port_base: int | None = None
    """First of consecutive ports: action, pose (the client's), control, cameras. The simulator's own if not given; 0
    takes free ones, and needs address_file and pose_port."""
    pose_port: int | None = None
    """The client's port for poses, where port_base does not decide it."""
    speed: float = 1.0
    """Simulated seconds a second."""
    lock_step: bool = False
    """Time passes by 0.1 s with every action, and not otherwise; speed does not matter."""
    conventions: str = ""
    """What is not known of the simulator, NAME=VALUE with commas between: see `conventions.Conventions`."""
    address_file: Path | None = None
    """Takes the ports as JSON as soon as all of them are served."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least severe messages on standard error."""

    def __post_init__(self) -> None:
        if not 0.0 < self.speed <= 1000.0:
            raise ValueError(f"speed is {self.speed:g}; it must be above 0 and at most 1000")
        if self.port_base is not None and not 0 <= self.port_base <= 65_000:
            raise ValueError(f"port_base is {self.port_base}; it must be 0 to 65000")
        if self.port_base == 0 and (self.pose_port is None or self.address_file is None):
            raise ValueError("port_base is 0, free ports; give pose_port, the client's, and address_file")

    @property
    def ports(self) -> Ports:
        """Where to serve."""
        if self.port_base is None:
            ports = Ports()
        elif self.port_base == 0:
            ports = Ports(action=0, pose=0, control=0, cameras=dict.fromkeys(CAMERAS, 0))
        else:
            ports = Ports.from_base(self.port_base)
        return ports if self.pose_port is None else Ports(**{**asdict(ports), "pose": self.pose_port})


async def serve(config: EmulatorConfig) -> None:
    """Serves until SIGTERM or SIGINT.

    Raises:
        ValueError: the track or a convention is unknown.
        OSError: a port is taken, or a file cannot be read or written.
    """
    simulation = Simulation(Conventions.parse(config.conventions), config.track)
    speed = None if config.lock_step else config.speed
    emulator = Emulator(simulation, config.ports, host=config.host, speed=speed)
    try:
        # Compiles what the first step would, while nobody waits for it.
        simulation.advance(TICK_SECONDS)
        ports = await emulator.start()
        if config.address_file is not None:
            new = config.address_file.with_name(f"{config.address_file.name}.new")
            new.write_text(json.dumps(asdict(ports)))
            new.replace(config.address_file)
        pace = "lock-step" if config.lock_step else f"{config.speed:g} times real time"
        logging.getLogger(__name__).info("%s, %s, %s", simulation.level, pace, ports)
        running = asyncio.create_task(emulator.run())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, running.cancel)
        await asyncio.wait([running])
        if not running.cancelled():
            running.result()
    finally:
        await emulator.close()


def main() -> int:
    """Serves as the command line says; returns the exit status."""
    config = tyro.cli(EmulatorConfig, prog="python -m worker_service.simulators.l2r.emulator", description=__doc__)
    logging.basicConfig(level=config.log_level, format="%(asctime)s emulator %(levelname)s: %(message)s")
    try:
        asyncio.run(serve(config))
    except (ValueError, OSError) as error:
        print(f"emulator: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
