"""`python -m worker_service.drive RUN_DIR/best`: drives a policy of a run again, without learner or network."""

import csv
import json
import math
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from typing import Any, Final

import gymnasium
import numpy as np
import tyro
from safetensors import SafetensorError
from safetensors.numpy import load_file

from distrib_l2r.policy import PolicyGraph, PolicyVersion
from worker_service.actor import Actor
from worker_service.environment import Environment, load_wrapper, make_environment, observation_columns

SAME_LAP_SECONDS: Final = 1e-6
"""Lap times closer than this are the same lap: far below what any change of the policy makes."""

PLACE_AND_SPEED: Final = {"x_metres", "y_metres", "forward_metres_per_second", "sideways_metres_per_second"}
"""What a trace needs of an environment's state, a dataclass as `unwrapped.state`."""


@dataclass(frozen=True, kw_only=True)
class DriveConfig:
    """What to drive, and what to keep of it."""

    policy: tyro.conf.Positional[Path]
    """Folder with graph.onnx, weights.safetensors and policy.json: best or newest of a run."""
    episodes: int = 1
    """Episodes to drive."""
    seed: int = 0
    """Seeds the first episode; the next take the numbers after it."""
    picture: Path | None = None
    """Takes the environment's own picture at the end of the last episode, as PNG."""
    trace: Path | None = None
    """Takes a line of CSV for each step: time, place, speed, reward. The racetrack has what that needs."""
    env_wrapper: str | None = None
    """package.module:callable that wraps the environment, where the run's workers had one."""


class DriveError(ValueError):
    """The policy cannot be driven as asked; the message says why, and what would do."""


@dataclass(frozen=True, kw_only=True)
class SavedPolicy:
    """A policy folder, read."""

    graph: PolicyGraph
    version: PolicyVersion
    environment_id: str
    arguments: Mapping[str, Any]
    """Of the environment, as evaluations have them."""
    evaluated_lap_seconds: float | None
    """Fastest lap of this policy's evaluation; None where there was none."""


@dataclass(frozen=True, kw_only=True)
class Episode:
    """What became of an episode."""

    steps: int
    episode_return: float
    """Undiscounted."""
    ending: str
    """terminated or truncated."""
    laps: list[Mapping[str, Any]]
    """`info["lap"]` of each completed lap, in order."""


@dataclass(eq=False)
class TraceFile:
    """Steps as lines of CSV; the first line of an episode is the state after `reset`."""

    path: Path
    rows: list[dict[str, float | int | str]] = field(default_factory=list)

    def add(
        self, environment: Environment, episode: int, step: int, reward: float = 0.0, lap_seconds: float | None = None
    ) -> None:
        """Notes where things stand after a step.

        Args:
            lap_seconds: time of the lap that ended in this step, if one did.

        Raises:
            DriveError: the environment does not tell what a trace needs.
        """
        motion, rate = _motion(environment), environment.metadata.get("render_fps")
        if motion is None or not rate:
            raise DriveError(
                f"{environment} does not tell where a car is and how fast, which a trace needs: leave --trace out"
            )
        speed = math.hypot(motion["forward_metres_per_second"], motion["sideways_metres_per_second"])
        self.rows.append(
            {
                "episode": episode,
                "step": step,
                "time_seconds": step / rate,
                **motion,
                "speed_metres_per_second": speed,
                "reward": reward,
                "lap_seconds": "" if lap_seconds is None else repr(lap_seconds),
            }
        )

    def write(self) -> None:
        """Writes the file.

        Raises:
            OSError: it cannot be written.
        """
        with self.path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(self.rows[0]))
            writer.writeheader()
            writer.writerows(self.rows)


def _motion(environment: Environment) -> dict[str, float] | None:
    """The environment's state by name, if it has one that says where a car is and how fast."""
    state = getattr(environment.unwrapped, "state", None)
    if not is_dataclass(state) or isinstance(state, type):
        return None
    motion = asdict(state)
    return motion if motion.keys() >= PLACE_AND_SPEED else None


def load_policy(folder: Path) -> SavedPolicy:
    """The policy in `folder`.

    Raises:
        DriveError: a file is missing or damaged, or graph and weights do not belong together.
    """
    try:
        about = json.loads((folder / "policy.json").read_text())
        graph = PolicyGraph(onnx=(folder / "graph.onnx").read_bytes())
        version = PolicyVersion(
            version=about["policy_version"],
            training_step=about["training_step"],
            graph_fingerprint=about["graph_fingerprint"],
            weights=load_file(folder / "weights.safetensors"),
        )
        environment = about["environment"]
        saved = SavedPolicy(
            graph=graph,
            version=version,
            environment_id=environment["id"],
            arguments={**environment["arguments"], **environment["evaluation_arguments"]},
            evaluated_lap_seconds=(about["evaluation"] or {}).get("best_lap_seconds"),
        )
    except (OSError, KeyError, TypeError, json.JSONDecodeError, SafetensorError) as error:
        raise DriveError(
            f"{folder} is no policy ({type(error).__name__}: {error}); it must hold graph.onnx, weights.safetensors "
            "and policy.json as a run's best and newest do"
        ) from error
    if version.graph_fingerprint != graph.fingerprint:
        raise DriveError(
            f"{folder}/policy.json is about graph {version.graph_fingerprint}, graph.onnx is {graph.fingerprint}; "
            "they must be of one run: copy the folder as a whole"
        )
    return saved


def drive_episode(
    environment: Environment, actor: Actor, *, number: int, seed: int, trace: TraceFile | None = None
) -> Episode:
    """Drives one episode deterministically; `number` names it in the trace."""
    observation, _ = environment.reset(seed=seed)
    if trace is not None:
        trace.add(environment, number, 0)
    laps: list[Mapping[str, Any]] = []
    steps, total, terminated, truncated = 0, 0.0, False, False
    while not (terminated or truncated):
        action = actor.act(observation_columns(observation), None)
        observation, reward, terminated, truncated, info = environment.step(action)
        steps += 1
        total += float(reward)
        lap = info.get("lap")
        if lap is not None:
            laps.append(lap)
        if trace is not None:
            trace.add(environment, number, steps, float(reward), lap["time_seconds"] if lap else None)
    ending = "terminated" if terminated else "truncated"
    return Episode(steps=steps, episode_return=total, ending=ending, laps=laps)


def drive(config: DriveConfig) -> list[Episode]:
    """Drives the episodes asked for, prints each, and writes the files asked for.

    Raises:
        DriveError: the folder is no policy, or the environment gives no trace or picture.
        gymnasium.error.Error: the environment is not installed here.
        OSError: a file cannot be written.
    """
    if config.episodes < 1:
        raise DriveError(f"episodes is {config.episodes}; it must be at least 1")
    saved = load_policy(config.policy)
    actor = Actor(saved.graph)
    actor.load(saved.version)
    arguments = {**saved.arguments, **({"render_mode": "rgb_array"} if config.picture else {})}
    wrapper = load_wrapper(config.env_wrapper) if config.env_wrapper else None
    trace = TraceFile(config.trace) if config.trace else None
    shown = " ".join(f"{name}={value}" for name, value in saved.arguments.items())
    print(f"policy version {saved.version.version} in {saved.environment_id} {shown}".rstrip())
    with closing(make_environment(saved.environment_id, arguments, wrapper)) as environment:
        episodes = []
        for number in range(config.episodes):
            episode = drive_episode(environment, actor, number=number, seed=config.seed + number, trace=trace)
            episodes.append(episode)
            _print_episode(number, episode)
        if config.picture is not None:
            _save_picture(environment, config.picture)
    if trace is not None:
        trace.write()
    _print_best(episodes, saved.evaluated_lap_seconds)
    return episodes


def _print_episode(number: int, episode: Episode) -> None:
    for lap in episode.laps:
        sectors = " + ".join(f"{seconds:.3f}" for seconds in lap.get("sector_times_seconds", ()))
        start = "  from a standing start" if lap.get("standing_start") else ""
        print(
            f"  lap {lap['number']}  {lap['time_seconds']:.3f} s  {f'({sectors})' if sectors else ''}{start}".rstrip()
        )
    print(f"episode {number}: return {episode.episode_return:.2f} in {episode.steps} steps, {episode.ending}")


def _print_best(episodes: list[Episode], evaluated_lap_seconds: float | None) -> None:
    times = [lap["time_seconds"] for episode in episodes for lap in episode.laps]
    if not times:
        if evaluated_lap_seconds is not None:
            print(f"no lap was completed; the evaluation's best was {evaluated_lap_seconds:.3f} s")
        return
    if evaluated_lap_seconds is None:
        print(f"best lap {min(times):.3f} s")
    elif abs(min(times) - evaluated_lap_seconds) <= SAME_LAP_SECONDS:
        print(f"best lap {min(times):.3f} s, the same as in the evaluation")
    else:
        print(f"best lap {min(times):.3f} s, not the evaluation's {evaluated_lap_seconds:.3f} s")


def _save_picture(environment: Environment, path: Path) -> None:
    # Pillow comes with the simulators that draw; nothing else here needs it.
    from PIL import Image  # noqa: PLC0415

    pixels = environment.render()
    if not isinstance(pixels, np.ndarray):
        raise DriveError(f"{environment} draws no picture: leave --picture out")
    Image.fromarray(pixels).save(path)


def main(arguments: list[str] | None = None) -> int:
    """Drives as the command line says; returns the exit status."""
    config = tyro.cli(DriveConfig, prog="python -m worker_service.drive", description=__doc__, args=arguments)
    try:
        drive(config)
    except (DriveError, gymnasium.error.Error, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
