"""`python -m deploy.evaluate.l2r POLICY --track l2r:thruxton`: Learn-to-Race's metrics of a saved policy."""

import json
import math
import sys
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import gymnasium
import tyro
from rich.console import Console

from deploy.evaluate.l2r_episode import Act, DrivenEpisode, bare_racetrack, drive_episode
from deploy.evaluate.l2r_table import results_table
from deploy.evaluate.published import PUBLISHED
from worker_service.actor import Actor
from worker_service.environment import (
    Environment,
    environment_spaces,
    load_wrapper,
    make_environment,
    observation_columns,
)
from worker_service.saved_policy import DriveError, SavedPolicy, load_policy
from worker_service.simulators.racetrack.driver import Driver
from worker_service.simulators.racetrack.l2r_maps import L2R_PREFIX

CAVEAT: Final = (
    "Published results are of Arrival's simulator and car; ours are of the embedded car on the same circuit, which it "
    "sees as 59 numbers. Another car, another simulator, another task: they stand side by side, not in one ranking."
)
DRIVER_NAME: Final = "feedback driver"
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
            racetrack = bare_racetrack(environment)
            feedback = Driver(racetrack.track, racetrack.vehicle, margin_metres=DRIVER_MARGIN_METRES)
            drivers: dict[str, Act] = {
                f"policy version {saved.version.version}": _acting(actor),
                DRIVER_NAME: lambda _, car=racetrack, driver=feedback: driver.act(car.state),  # type: ignore[misc]
            }
            for name, act in drivers.items():
                episodes.append(drive_episode(environment, act, driver=name, laps=laps))
    return episodes


def _acting(actor: Actor) -> Act:
    return lambda seen: actor.act(observation_columns(seen))


def write_results(path: Path, episodes: list[DrivenEpisode]) -> None:
    """Writes the results and the published ones as JSON; a metric that is not finite is null.

    Raises:
        OSError: the file cannot be written.
    """
    track = episodes[0].track
    published = [asdict(row) for row in PUBLISHED.get(circuit_name(track), ())]
    ours = [asdict(episode) for episode in episodes]
    for episode in ours:
        episode["metrics"] = {k: v if math.isfinite(v) else None for k, v in episode["metrics"].items()}
    content = {"track": track, "episodes": ours, "published": published, "caveat": CAVEAT}
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def circuit_name(track: str) -> str:
    """The circuit of a track of Learn-to-Race, under which results are published; else the name itself."""
    return track.removeprefix(L2R_PREFIX).removesuffix("-official") if track.startswith(L2R_PREFIX) else track


def _make(saved: SavedPolicy, config: L2RConfig, laps: int) -> Environment:
    arguments = {**saved.arguments, "start": "standing", "laps": laps, "max_steps": None}
    if config.track is not None:
        arguments["track"] = config.track
    wrapper = load_wrapper(config.env_wrapper) if config.env_wrapper else None
    if saved.environment_id.rpartition(":")[2] != "Racetrack-v0":
        raise DriveError(f"the policy drives {saved.environment_id}; only one of Racetrack-v0 can be evaluated here")
    return make_environment(saved.environment_id, arguments, wrapper)


def main(arguments: list[str] | None = None) -> int:
    """Evaluates as the command line says; returns the exit status."""
    config = tyro.cli(L2RConfig, prog="python -m deploy.evaluate.l2r", description=__doc__, args=arguments)
    try:
        episodes = evaluate(config)
        if config.out is not None:
            write_results(config.out, episodes)
    except (ValueError, gymnasium.error.Error, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    console = Console()
    console.print(results_table(episodes, PUBLISHED.get(circuit_name(episodes[0].track), ())))
    console.print(CAVEAT, style="dim", highlight=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
