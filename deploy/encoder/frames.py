"""`python -m deploy.encoder.frames`: episodes of random driving recorded, as material for an encoder."""

import json
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import gymnasium
import numpy as np
import tyro

from deploy.local.config import ConfigError
from distrib_l2r.tensor import Array
from learner_service.config import parse_arguments
from worker_service.columns import Environment
from worker_service.environment import make_environment
from worker_service.recording import RecordedEnvironment, Recorder

REPORT_SECONDS: Final = 10.0


@dataclass(frozen=True, kw_only=True)
class FramesConfig:
    """Drives an environment with random actions, each held for some steps, and records every episode.

    Better drivers see more of the road: a worker of a run in progress records likewise, with --record.
    """

    env: str = "CarRacingCamera-v0"
    """A Gymnasium id whose observation has a picture."""
    env_args: tuple[str, ...] = ()
    """Keyword arguments of the environment, each name=value."""
    steps: int = 10_000
    """Steps in all."""
    episode_steps: int = 100
    """Longest episode; then another one begins, elsewhere."""
    most_held: int = 8
    """Most steps for which an action is held; the least is 1."""
    seed: int = 0
    """Seeds actions and episodes."""
    out: Path = Path("runs/frames")
    """Takes the recordings, an HDF5 file an episode (see worker_service.recorded_episode)."""

    def __post_init__(self) -> None:
        for name in ("steps", "episode_steps", "most_held"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least 1")


def record_frames(config: FramesConfig) -> int:
    """Drives and records; returns the number of episodes.

    Raises:
        gymnasium.error.Error: the environment is unknown here.
        TypeError: an argument is none of the environment's.
        ValueError: an argument is not name=value, or recording is not possible.
        OSError: the folder cannot be made.
    """
    arguments = parse_arguments(config.env_args)
    environment = make_environment(config.env, arguments)
    about = {"environment": config.env, "arguments": json.dumps(arguments), "role": "random"}
    with closing(Recorder(config.out, name=f"random-{config.seed}", about=about)) as recorder:
        return _drive(config, RecordedEnvironment(environment, recorder, lambda: 0))


def _drive(config: FramesConfig, environment: Environment) -> int:
    generator = np.random.default_rng(config.seed)
    steps = episodes = 0
    began = told = time.monotonic()
    with closing(environment):
        while steps < config.steps:
            environment.reset(seed=config.seed + episodes)
            episodes += 1
            held, over, action = 0, False, _random_action(environment.action_space, generator)
            for _ in range(min(config.episode_steps, config.steps - steps)):
                if held == 0:
                    action = _random_action(environment.action_space, generator)
                    held = int(generator.integers(1, config.most_held + 1))
                held -= 1
                _, _, terminated, truncated, _ = environment.step(action)
                steps += 1
                over = terminated or truncated
                if over:
                    break
            now = time.monotonic()
            if now - told > REPORT_SECONDS:
                told = now
                left = (now - began) * (config.steps / steps - 1.0)
                print(f"{steps:,} of {config.steps:,} steps, {left:.0f} s left", flush=True)
    return episodes


def _random_action(space: gymnasium.Space[Any], generator: np.random.Generator) -> Array:
    if not isinstance(space, gymnasium.spaces.Box) or not space.is_bounded():
        raise ValueError(f"the action space is {space}; random driving needs a Box with bounds")
    return generator.uniform(space.low, space.high).astype(space.dtype)


def main(arguments: list[str] | None = None) -> int:
    """Records as the command line says; returns the exit status."""
    try:
        config = tyro.cli(FramesConfig, prog="python -m deploy.encoder.frames", description=__doc__, args=arguments)
        episodes = record_frames(config)
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (ValueError, TypeError, OSError, gymnasium.error.Error) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{episodes} episodes, {config.steps:,} steps in {config.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
