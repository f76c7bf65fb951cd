"""Recording of episodes: a wrapper that notes every step, and hands it to the thread that writes.

A recording is one HDF5 file an episode; `recorded_episode` says what is in it, and reads it. Steps are handed over in
blocks, through a bounded queue; the driving thread never waits for the disk: an episode that comes faster than the disk
takes it is given up as a whole, and told of. A file gets its name when it is complete, never before.
"""

import itertools
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Literal

import gymnasium
import numpy as np

from distrib_l2r.tensor import Array
from worker_service.columns import PRIVILEGED, Environment, observation_columns

_logger = logging.getLogger(__name__)

FORMAT: Final = "distributed-l2r episode 1"
BLOCK_STEPS: Final = 64
BLOCK_BYTES: Final = 8_000_000
"""A block is handed over with so many steps or bytes; pictures are large."""
CLOSE_SECONDS: Final = 1.0
"""Most time for the last blocks when recording ends; of the 5 s within which a worker ends."""
REMEDY: Final = "pip install '.[recording]'"

Ending = Literal["terminated", "truncated", "aborted", "unfinished"]


class RecordingError(ValueError):
    """Recording is not possible as asked; the message says why."""


class Recorder:
    """Records episodes into a folder.

    Args:
        folder: made if it is not there.
        name: of the worker; every file's name begins with it.
        every: of so many episodes the first is recorded.
        about: goes into each file as attributes.

    Raises:
        RecordingError: the library that writes is not installed, or `every` is below 1.
        OSError: the folder cannot be made.
    """

    def __init__(self, folder: Path, *, name: str, every: int = 1, about: Mapping[str, str] | None = None) -> None:
        if every < 1:
            raise RecordingError(f"record_every is {every}; it must be at least 1")
        if find_spec("h5py") is None:
            raise RecordingError(f"recording needs the library h5py, which is not installed: {REMEDY}")
        # Who does not record has no need of it.
        from worker_service.recording_writer import PARTIAL, EpisodeFile, RecordingWriter  # noqa: PLC0415

        folder.mkdir(parents=True, exist_ok=True)
        self._name = name.replace("/", "-")
        for left in folder.glob(f".{self._name}-*{PARTIAL}"):
            # Of a process of this name that was killed.
            left.unlink(missing_ok=True)
        self._folder = folder
        self._every = every
        self._about = dict(about or {})
        self._numbers = itertools.count()
        self._new_file = EpisodeFile
        self._file: EpisodeFile | None = None
        self._rows: dict[str, list[Array]] = {}
        self._size = self._steps = self._number = 0
        self._began = ""
        self._writer = RecordingWriter()

    @property
    def records(self) -> bool:
        """Whether the episode under way is recorded."""
        return self._file is not None

    def begin(self, rows: Mapping[str, Array]) -> None:
        """An episode begins; `rows` is what is known before its first step."""
        self.end("unfinished")
        self._number = next(self._numbers)
        if self._number % self._every:
            return
        self._began = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        # Processes of the same name may take turns within a second; none may overwrite another's file.
        path = self._folder / f"{self._name}-{self._began}-{time.time_ns() % 10**9:09d}-{self._number:06d}.h5"
        self._file = self._new_file(path)
        self._rows, self._size, self._steps = {}, 0, 0
        self._keep(rows)

    def add(self, rows: Mapping[str, Array]) -> None:
        """A step's rows, by column."""
        if self._file is not None:
            self._steps += 1
            self._keep(rows)
            if self._steps % BLOCK_STEPS == 0 or self._size >= BLOCK_BYTES:
                self._hand_over()

    def end(self, ending: Ending, about: Mapping[str, str | int | float] | None = None) -> None:
        """The episode is over; `about` goes into the file as attributes."""
        if self._file is None:
            return
        self._hand_over()
        if self._file is None:
            return
        own: dict[str, str | int | float] = {
            "format": FORMAT,
            "began_utc": self._began,
            "episode": self._number,
            "worker": self._name,
        }
        facts = {**self._about, **own, **(about or {}), "ending": ending, "steps": self._steps}
        self._writer.end(self._file, facts)
        self._file = None

    def close(self) -> None:
        """Ends the episode under way, and waits a little for what is left to be written."""
        self.end("unfinished")
        if not self._writer.close(CLOSE_SECONDS):
            _logger.warning("leaving %s before the last recording was written; it is lost", self._folder)

    def _keep(self, rows: Mapping[str, Array]) -> None:
        for name, row in rows.items():
            # A copy: environments change in place what they have returned.
            kept = np.array(row)
            self._rows.setdefault(name, []).append(kept)
            self._size += kept.nbytes

    def _hand_over(self) -> None:
        assert self._file is not None, "asked before"
        rows, self._rows, self._size = self._rows, {}, 0
        if not rows:
            return
        try:
            block = {name: np.stack(column) for name, column in rows.items()}
        except ValueError as error:
            self._give_up(f"a column's rows differ: {error}")
            return
        if not self._writer.put(self._file, block):
            self._give_up("the disk is slower than the simulator, or writing failed")

    def _give_up(self, reason: str) -> None:
        assert self._file is not None, "asked before"
        self._file.given_up.set()
        _logger.warning("episode %d is not recorded: %s", self._number, reason)
        self._file = None


class RecordedEnvironment(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Notes what goes in and comes out of an environment.

    Args:
        environment: outermost but for this.
        recorder: takes the rows; left open.
        policy_version: of the policy that acts now.
    """

    def __init__(self, environment: Environment, recorder: Recorder, policy_version: Callable[[], int]) -> None:
        super().__init__(environment)
        self._recorder = recorder
        self._policy_version = policy_version
        self._laps: list[dict[str, Any]] = []
        self._info_keys: tuple[str, ...] | None = None
        self._steps = 0
        self._return = 0.0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """As the environment does."""
        self._leave()
        observation, info = self.env.reset(seed=seed, options=options)
        self._laps, self._info_keys, self._steps, self._return = [], None, 0, 0.0
        self._recorder.begin({**_observed(observation), **self._pose()})
        return observation, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """As the environment does."""
        if not self._recorder.records:
            return self.env.step(action)
        rows = {"action": np.array(action), "policy_version": np.array(self._policy_version(), np.uint64)}
        try:
            observation, reward, terminated, truncated, info = self.env.step(action)
            self._steps += 1
            self._return += float(reward)
            rows |= {"reward": np.array(reward, np.float64), **_observed(observation), **self._pose()}
            rows |= self._told(info)
        except BaseException as error:
            self._recorder.end("aborted", self._facts({}) | {"abort_reason": f"{type(error).__name__}: {error}"})
            raise
        self._recorder.add(rows)
        if "lap" in info:
            self._laps.append({"step": self._steps, **info["lap"]})
        if terminated or truncated:
            self._recorder.end("terminated" if terminated else "truncated", self._facts(info))
        return observation, reward, terminated, truncated, info

    def close(self) -> None:
        """As the environment does; the recorder stays open."""
        self._leave()
        self.env.close()

    def _leave(self) -> None:
        """An episode under way goes no further."""
        self._recorder.end("unfinished", self._facts({}))

    def _pose(self) -> dict[str, Array]:
        """Where the car is, if the environment's `state` says so by name."""
        state = getattr(self.env.unwrapped, "state", None)
        if not is_dataclass(state):
            return {}
        return {f"pose/{entry.name}": np.array(getattr(state, entry.name), np.float64) for entry in fields(state)}

    def _told(self, info: Mapping[str, Any]) -> dict[str, Array]:
        """The numbers of `info` that the first step has; of a later step that has one no more, NaN."""
        if self._info_keys is None:
            self._info_keys = tuple(key for key, value in info.items() if _is_numeric(value))
        return {f"info/{key}": np.asarray(info.get(key, np.nan), np.float64) for key in self._info_keys}

    def _facts(self, info: Mapping[str, Any]) -> dict[str, str | int | float]:
        """What holds for the whole episode."""
        metrics = {name: float(value) for name, value in info.get("metrics", {}).items()}
        rate = self.env.metadata.get("render_fps") or 0
        told = {"laps": json.dumps(self._laps, default=float), "metrics": json.dumps(metrics)}
        return {**told, "return": self._return, "steps_per_second": float(rate)}


def _observed(observation: Any) -> dict[str, Array]:
    return {
        name if name.startswith(PRIVILEGED) else f"observation/{name}": np.asarray(column)
        for name, column in observation_columns(observation).items()
    }


def _is_numeric(value: Any) -> bool:
    return isinstance(value, int | float | np.number) or (isinstance(value, np.ndarray) and value.dtype.kind in "fiub")
