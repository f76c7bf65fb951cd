"""`python -m deploy.evaluate.l2r POLICY --track l2r:thruxton`: Learn-to-Race's metrics of a saved policy."""

import json
import math
import sys
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import gymnasium
import numpy as np
import tyro
from numpy.typing import NDArray
from rich.console import Console

from deploy.evaluate.l2r_episode import Act, DrivenEpisode, bare_car, drive_episode
from deploy.evaluate.l2r_table import results_table
from deploy.evaluate.published import PUBLISHED
from worker_service.actor import Actor
from worker_service.columns import Environment, observation_columns
from worker_service.environment import environment_spaces, load_wrapper, make_environment
from worker_service.saved_policy import DriveError, SavedPolicy, load_policy
from worker_service.simulator_process import SimulatorProcessError
from worker_service.simulators.racetrack import Racetrack, Vehicle
from worker_service.simulators.racetrack.driver import Driver
from worker_service.simulators.racetrack.l2r_maps import L2R_PREFIX

CAVEAT: Final = (
    "Published results are of Arrival's simulator and car; ours are of the embedded car on the same circuit, which it "
    "sees as 59 numbers. Another car, another simulator, another task: they stand side by side, not in one ranking."
)
EMULATOR_CAVEAT: Final = (
    "Ours went through the four interfaces of Arrival's simulator, with an emulator at the other end. " + CAVEAT
)
RACETRACK: Final = "Racetrack-v0"
LEARN_TO_RACE: Final = "LearnToRace-v0"
DRIVER_NAME: Final = "feedback driver"
STEPS_PER_LAP: Final = 5000
"""Learn-to-Race gives an episode of one lap so many."""
DRIVER_MARGIN_METRES: Final = 2.0
"""Kept from the edges by that driver's line, so that no wheel leaves the track."""


@dataclass(frozen=True, kw_only=True)
class L2RConfig:
    """What to drive, and where the results go."""

    policy: tyro.conf.Positional[Path]
    """Folder with graph.onnx, weights.safetensors and policy.json: best or newest of a run."""
    track: str | None = None
    """Driven instead of the track that the policy was trained on, for example l2r:thruxton."""
    laps: int = 1
    """Beside the episode of one lap, one of so many laps is driven."""
    out: Path | None = None
    """Takes the results as JSON."""
    env_wrapper: str | None = None
    """package.module:callable that wraps the environment, where the run's workers had one."""


def caveat(policy: Path) -> str:
    """What is to be kept in mind about the results of a saved policy.

    Raises:
        DriveError: the folder is no policy.
    """
    return EMULATOR_CAVEAT if load_policy(policy).environment_name == LEARN_TO_RACE else CAVEAT


def evaluate(config: L2RConfig) -> list[DrivenEpisode]:
    """Drives the episodes asked for, by the policy and by the driver without learning.

    Raises:
        DriveError: the folder is no policy, or not one of the embedded car.
        ValueError: an argument is invalid, or the track is unknown or not installed.
        gymnasium.error.Error: the environment is not installed here.
        OSError: the track's file cannot be read.
    """
    if config.laps < 1:
        raise DriveError(f"laps is {config.laps}; it must be at least 1")
    saved = load_policy(config.policy)
    episodes = []
    for laps in sorted({1, config.laps}):
        with closing(_make(saved, config, laps)) as environment:
            actor = Actor(saved.graph, environment_spaces(environment))
            actor.load(saved.version)
            drivers: dict[str, Act] = {
                f"policy version {saved.version.version}": _acting(actor),
                DRIVER_NAME: feedback_driver(environment),
            }
            for name, act in drivers.items():
                episodes.append(drive_episode(environment, act, driver=name, laps=laps))
    return episodes


def _acting(actor: Actor) -> Act:
    return lambda seen: actor.act(observation_columns(seen))


def feedback_driver(environment: Environment) -> Act:
    """The driver without learning, of the environment's own track and car; it needs no observation.

    Raises:
        DriveError: the environment has no car on a track.
    """
    car, track = bare_car(environment)
    vehicle = car.vehicle if isinstance(car, Racetrack) else Vehicle()
    driver = Driver(track, vehicle, margin_metres=DRIVER_MARGIN_METRES)
    if isinstance(car, Racetrack):
        return lambda _: driver.act(car.state)
    # Learn-to-Race's limits of steer and throttle are others than the car's.
    scale = vehicle.steer_limit_radians / car.max_steer, vehicle.drive_metres_per_second2 / car.max_acceleration

    def act(_: Any) -> NDArray[np.float32]:
        steer, acceleration = driver.act(car.state).tolist()
        wanted = [steer * scale[0], acceleration * (scale[1] if acceleration > 0.0 else 1.0)]
        return np.asarray(np.clip(wanted, -1.0, 1.0), np.float32)

    return act


def write_results(path: Path, episodes: list[DrivenEpisode], caveat: str) -> None:
    """Writes the results and the published ones as JSON; a metric that is not finite is null.

    Raises:
        OSError: the file cannot be written.
    """
    track = episodes[0].track
    published = [asdict(row) for row in PUBLISHED.get(circuit_name(track), ())]
    ours = [asdict(episode) for episode in episodes]
    for episode in ours:
        episode["metrics"] = {k: v if math.isfinite(v) else None for k, v in episode["metrics"].items()}
    content = {"track": track, "episodes": ours, "published": published, "caveat": caveat}
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def circuit_name(track: str) -> str:
    """The circuit of a track of Learn-to-Race, under which results are published; else the name itself."""
    return track.removeprefix(L2R_PREFIX).removesuffix("-official") if track.startswith(L2R_PREFIX) else track


def _make(saved: SavedPolicy, config: L2RConfig, laps: int) -> Environment:
    arguments = {**saved.arguments, "start": "standing", "laps": laps, "max_steps": None}
    if config.track is not None:
        arguments["track"] = config.track
    wrapper = load_wrapper(config.env_wrapper) if config.env_wrapper else None
    if saved.environment_name not in {RACETRACK, LEARN_TO_RACE}:
        raise DriveError(
            f"the policy drives {saved.environment_id}; only one of {RACETRACK} or {LEARN_TO_RACE} "
            "can be evaluated here"
        )
    if saved.environment_name == LEARN_TO_RACE:
        arguments["max_steps"] = STEPS_PER_LAP * laps
    return make_environment(saved.environment_id, arguments, wrapper)


def main(arguments: list[str] | None = None) -> int:
    """Evaluates as the command line says; returns the exit status."""
    config = tyro.cli(L2RConfig, prog="python -m deploy.evaluate.l2r", description=__doc__, args=arguments)
    try:
        told = caveat(config.policy)
        episodes = evaluate(config)
        if config.out is not None:
            write_results(config.out, episodes, told)
    except (ValueError, SimulatorProcessError, gymnasium.error.Error, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    console = Console()
    console.print(results_table(episodes, PUBLISHED.get(circuit_name(episodes[0].track), ())))
    console.print(told, style="dim", highlight=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
