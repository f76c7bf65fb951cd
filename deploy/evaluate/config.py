"""Options of the evaluation: each field is a flag of `python -m deploy.evaluate` and an option of `make evaluate`."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import tyro

from deploy.local.config import RACETRACK, ConfigError
from worker_service.environment import load_wrapper
from worker_service.saved_policy import DriveError, SavedPolicy, load_policy
from worker_service.simulators.racetrack.catalogue import find_track

EVALUATION_FILE: Final = "evaluation.json"
"""Makes a folder that of an evaluation."""


def _default_out() -> Path:
    return Path("runs") / time.strftime("evaluation-%Y%m%dT%H%M%SZ", time.gmtime())


@dataclass(frozen=True, kw_only=True)
class Config:
    """Drives saved policies deterministically and publishes how well they race."""

    policies: tyro.conf.Positional[tuple[Path, ...]] = ()
    """Folders of policies, best or newest of a run; several are taken for seeds of one experiment."""
    track: str | None = None
    """A circuit's name, random:SEED or a .csv file; each policy's own if not given."""
    laps: int = 100
    """Flying laps to count for each policy, at least; where there are no laps, episodes."""
    seed: int = 0
    """Seeds the first start of each policy; the next take the numbers after it."""
    out: Path = field(default_factory=_default_out)
    """Takes the results; runs/evaluation-<UTC time> if not given."""
    env_wrapper: str | None = None
    """package.module:callable that wraps the environment, where the run's workers had one."""

    def __post_init__(self) -> None:
        if not self.policies:
            raise ConfigError("no policy is given; at least one folder is needed: give for example POLICY=runs/x/best")
        places = [folder.resolve() for folder in self.policies]
        for folder, place in zip(self.policies, places, strict=True):
            if places.count(place) > 1:
                raise ConfigError(f"policy {folder} is given twice, which would count one seed as two: give it once")
        if self.laps < 1:
            raise ConfigError(f"laps is {self.laps}; it must be at least 1: give for example LAPS=100")
        if self.seed < 0:
            raise ConfigError(f"seed is {self.seed}; it must be at least 0: give for example SEED=0")
        try:
            if self.track is not None:
                find_track(self.track)
            if self.env_wrapper is not None:
                load_wrapper(self.env_wrapper)
        except (ValueError, OSError) as error:
            raise ConfigError(str(error)) from error
        if self.out.exists() and not self.out.is_dir():
            raise ConfigError(f"out {self.out} is a file; it must be a folder, new or there: give another OUT")
        if (self.out / EVALUATION_FILE).exists():
            raise ConfigError(
                f"out {self.out} holds {EVALUATION_FILE} of an earlier evaluation, which must not be overwritten: "
                "give another OUT"
            )


def races(environment_id: str) -> bool:
    """Whether a Gymnasium id is that of the embedded racing car."""
    return environment_id.rpartition(":")[2] == RACETRACK


def load_policies(config: Config) -> list[SavedPolicy]:
    """The policies asked for, in order.

    Raises:
        ConfigError: a folder is no policy, they drive different environments, or a track is given where there is none.
    """
    try:
        saved = [load_policy(folder) for folder in config.policies]
    except DriveError as error:
        raise ConfigError(str(error)) from error
    ids = sorted({policy.environment_name for policy in saved})
    if len(ids) > 1:
        raise ConfigError(f"the policies drive {' and '.join(ids)}; they must share one: evaluate each alone")
    if config.track is not None and not races(ids[0]):
        raise ConfigError(
            f"track is {config.track!r} and the policies drive {ids[0]!r}; only {RACETRACK} has tracks: leave it out"
        )
    return saved
