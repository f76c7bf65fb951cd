"""`python -m worker_service.drive RUN_DIR/best`: drives a policy of a run again, without learner or network."""

import json
import sys
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import gymnasium
import numpy as np
import tyro

from worker_service.actor import Actor
from worker_service.columns import Environment, observation_columns
from worker_service.environment import environment_spaces, load_wrapper, make_environment
from worker_service.recording import RecordedEnvironment, Recorder, RecordingError
from worker_service.saved_policy import DriveError, load_policy
from worker_service.trace import TraceFile

SAME_LAP_SECONDS: Final = 1e-6
"""Lap times closer than this are the same lap: far below what any change of the policy makes."""


@dataclass(frozen=True, kw_only=True)
class DriveConfig:
    """What to drive, and what to keep of it."""

    policy: tyro.conf.Positional[Path]
    """Folder with graph.onnx, weights.safetensors and policy.json: best or newest of a run."""
    episodes: int | None = None
    """Episodes to drive; as many as the policy's evaluation had if not given."""
    seed: int | None = None
    """Seeds the first episode; the next take the numbers after it. The evaluation's if not given."""
    picture: Path | None = None
    """Takes the environment's own picture at the end of the last episode, as PNG."""
    trace: Path | None = None
    """Takes a line of CSV for each step: time, place, speed, reward. The racetrack has what that needs."""
    record: Path | None = None
    """Takes a recording of each episode (see worker_service.recorded_episode)."""
    env_wrapper: str | None = None
    """package.module:callable that wraps the environment, where the run's workers had one."""


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
    if config.episodes is not None and config.episodes < 1:
        raise DriveError(f"episodes is {config.episodes}; it must be at least 1")
    saved = load_policy(config.policy)
    arguments = {**saved.arguments, **({"render_mode": "rgb_array"} if config.picture else {})}
    wrapper = load_wrapper(config.env_wrapper) if config.env_wrapper else None
    trace = TraceFile(config.trace) if config.trace else None
    shown = " ".join(f"{name}={value}" for name, value in saved.arguments.items())
    print(f"policy version {saved.version.version} in {saved.environment_id} {shown}".rstrip())
    with ExitStack() as stack:
        environment = stack.enter_context(closing(make_environment(saved.environment_id, arguments, wrapper)))
        actor = Actor(saved.graph, environment_spaces(environment))
        actor.load(saved.version)
        if config.record is not None:
            about = {"environment": saved.environment_id, "arguments": json.dumps(arguments), "role": "drive"}
            recorder = stack.enter_context(closing(Recorder(config.record, name="drive", about=about)))
            environment = RecordedEnvironment(environment, recorder, lambda: saved.version.version)
        episodes = []
        seed = saved.evaluation_seed if config.seed is None else config.seed
        for number in range(config.episodes or saved.evaluation_episodes):
            episode = drive_episode(environment, actor, number=number, seed=seed + number, trace=trace)
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
    except (DriveError, RecordingError, gymnasium.error.Error, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
