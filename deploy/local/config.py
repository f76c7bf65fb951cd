"""Options of the launcher: each field is a flag of `python -m deploy.local` and an option of `make run`."""

import math
import shlex
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from worker_service.simulators.l2r.course import DEFAULT_COURSE, course_name, find_course
from worker_service.simulators.racetrack.catalogue import find_track, track_names
from worker_service.simulators.racetrack.circuits import DEFAULT_CIRCUIT
from worker_service.simulators.scr.race_files import DEFAULT_TRACK
from worker_service.simulators.scr.torcs import check_track

RACETRACK: Final = "Racetrack-v0"
"""The embedded racing car, as the learner knows it too."""

LEARN_TO_RACE: Final = "LearnToRace-v0"
"""Learn-to-Race's environment; each worker starts an emulator of its simulator."""
LEARN_TO_RACE_ARGUMENTS: Final = ("start=random", "max_steps=1000")
LEARN_TO_RACE_EVALUATION: Final = (
    *("--evaluation-env-args", "start=standing", "max_steps=5000"),
    *("--evaluation-episodes", "1"),
)
"""Trained from anywhere on the circuit, judged by one lap from the start, which in lock-step is always the same."""
TORCS: Final = "Torcs-v0"
"""TORCS, as the learner knows it too."""

RUN_FILES: Final = ("logs", "progress.jsonl", "evaluations.jsonl", "summary.json", "best", "newest")
"""Any of these makes a folder the folder of a run."""


class ConfigError(Exception):
    """An option breaks its rule; the message names the option, the value, the rule and the remedy.

    No ValueError: the parser of flags would take it for its own and drown the sentence in a usage text.
    """


def _default_run_dir() -> Path:
    return Path("runs") / time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())


@dataclass(frozen=True, kw_only=True)
class Config:
    """Trains on this machine for some minutes: a learner, workers and an evaluator."""

    minutes: float = 8.0
    """Training time, counted from the first transition that the learner took in."""
    workers: int = 2
    """Collecting workers; one evaluator comes on top."""
    track: str | None = None
    """A circuit's name, random:SEED, random:FIRST-LAST for one of these each episode, l2r:thruxton, l2r:anglesey or a
    .csv file; with TORCS, one of its tracks; with LearnToRace-v0, thruxton or anglesey. Others have none."""
    env: str = RACETRACK
    """A Gymnasium id, "module:id" where a module registers it."""
    seed: int = 0
    """Seeds networks, sampling, environments and exploration."""
    learner_flags: str = ""
    """More flags for the learner, as on a command line, such as "--discount 0.99 --hold-steps 1 16"."""
    run_dir: Path = field(default_factory=_default_run_dir)
    """Takes everything the run leaves; runs/<UTC time> if not given."""
    resume: bool = False
    """Go on with the run in run_dir, until it has trained for `minutes` in all."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.minutes) and self.minutes > 0):
            raise ConfigError(f"minutes is {self.minutes:g}; it must be above 0: give for example MINUTES=8")
        if self.workers < 1:
            raise ConfigError(f"workers is {self.workers}; it must be at least 1: give for example WORKERS=2")
        if self.seed < 0:
            raise ConfigError(f"seed is {self.seed}; it must be at least 0: give for example SEED=0")
        try:
            shlex.split(self.learner_flags)
        except ValueError as error:
            raise ConfigError(
                f"learner_flags is {self.learner_flags!r}, which no shell could split ({error}): close its quotes"
            ) from error
        if self.track is not None and not self.races:
            raise ConfigError(
                f"track is {self.track!r} and env is {self.env!r}; only {RACETRACK}, {TORCS} and {LEARN_TO_RACE} have "
                "tracks: leave one out"
            )
        try:
            if self.embedded and self.track is not None:
                find_track(track_names(self.track)[0])
            # Arguments of the user's own may name another track, or a server elsewhere.
            elif self.track_name is not None and "--env-args" not in self.learner_flags:
                if self.torcs:
                    check_track(self.track_name)
                elif self.learns_to_race:
                    find_course(course_name(self.track_name))
        except (ValueError, OSError) as error:
            raise ConfigError(str(error)) from error
        present = [name for name in RUN_FILES if (self.run_dir / name).exists()]
        if present and not self.resume:
            raise ConfigError(
                f"run_dir {self.run_dir} holds {present[0]} of an earlier run, which must not be overwritten: "
                "give another RUN_DIR, or RESUME=1 to go on with it"
            )
        if self.resume and not present:
            raise ConfigError(
                f"run_dir {self.run_dir} holds no run to go on with: give its RUN_DIR, or leave RESUME out"
            )

    @property
    def environment_name(self) -> str:
        """The environment's id without the module that registers it."""
        return self.env.rpartition(":")[2]

    @property
    def embedded(self) -> bool:
        """Whether the environment is the embedded racing car, whose tracks and optima are known here."""
        return self.environment_name == RACETRACK

    @property
    def torcs(self) -> bool:
        """Whether the environment is TORCS."""
        return self.environment_name == TORCS

    @property
    def learns_to_race(self) -> bool:
        """Whether the environment is Learn-to-Race's."""
        return self.environment_name == LEARN_TO_RACE

    @property
    def races(self) -> bool:
        """Whether laps on a track are what counts."""
        return self.embedded or self.torcs or self.learns_to_race

    @property
    def track_name(self) -> str | None:
        """The track driven; None where there are none."""
        if not self.races:
            return None
        if self.track is not None:
            return self.track
        return DEFAULT_CIRCUIT if self.embedded else DEFAULT_TRACK if self.torcs else DEFAULT_COURSE

    @property
    def training_seconds(self) -> float:
        """How long to train."""
        return 60.0 * self.minutes

    @property
    def address_file(self) -> Path:
        """Where the learner says how to reach it."""
        return self.run_dir / "learner.json"

    @property
    def logs(self) -> Path:
        """Folder of the children's logs."""
        return self.run_dir / "logs"


@dataclass(frozen=True, kw_only=True)
class Programs:
    """How the two services are started, without what a job adds."""

    learner: tuple[str, ...] = (sys.executable, "-m", "learner_service")
    worker: tuple[str, ...] = (sys.executable, "-m", "worker_service")

    def learner_command(self, config: Config) -> list[str]:
        """The learner of a job, on a free port of this machine."""
        command = [*self.learner, "--port", "0", "--address-file", str(config.address_file)]
        command += ["--run-dir", str(config.run_dir), "--seed", str(config.seed), "--env", config.env]
        arguments: list[str] = []
        if config.track is not None:
            # A file's whole path, so that the saved policy finds it from any working directory.
            track = Path(config.track).resolve() if config.track.endswith(".csv") else config.track
            arguments.append(f"track={track}")
        if config.learns_to_race:
            arguments += LEARN_TO_RACE_ARGUMENTS
            command += LEARN_TO_RACE_EVALUATION
        if arguments:
            command += ["--env-args", *arguments]
        return [*command, *shlex.split(config.learner_flags)]

    def worker_command(self, address: str, name: str, role: str) -> list[str]:
        """A worker of the learner at `address`; `role` is collect or evaluate."""
        return [*self.worker, "--learner", address, "--name", name, "--role", role]
