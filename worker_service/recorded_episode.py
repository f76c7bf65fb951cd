"""A recorded episode, read back.

The file is HDF5 (The HDF Group; any HDF5 library reads it). Of an episode of T steps it holds

===================== ================ =====================================================================
observation/<column>  [T + 1, ...]     in the environment's dtypes: before the first step, and after each
privileged/<column>   [T + 1, ...]     likewise, what critics alone see
pose/<name>           float64 [T + 1]  likewise, where the environment tells: `x_metres`, `yaw_radians` and so on
action                [T, ...]
reward                float64 [T]
policy_version        uint64 [T]       that chose the action
info/<name>           float64 [T, ...] numbers of the steps' `info`
===================== ================ =====================================================================

and as attributes format, environment, arguments (JSON), worker, episode, began_utc, ending (terminated, truncated,
aborted, or unfinished, where the worker left), steps, return, steps_per_second (0: not told), laps and metrics (JSON),
and abort_reason where the simulator failed.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from distrib_l2r.tensor import Array
from worker_service.recording import FORMAT, REMEDY, RecordingError

_GROUPS: Final = ("observation", "privileged", "pose", "info")
_COLUMNS: Final = ("action", "reward", "policy_version")
_EMPTY: Final = np.empty(0)


@dataclass(frozen=True, kw_only=True, eq=False)
class RecordedEpisode:
    """One episode; shapes as in the module's description."""

    observation: Mapping[str, Array]
    privileged: Mapping[str, Array]
    action: Array
    reward: Array
    policy_version: Array
    pose: Mapping[str, Array]
    info: Mapping[str, Array]
    environment: str
    arguments: Mapping[str, Any]
    ending: str
    laps: list[Mapping[str, Any]]
    """Completed, in order, each with its `step`, from 1."""
    metrics: Mapping[str, float]
    steps_per_second: float
    about: Mapping[str, Any]
    """All attributes as they are."""

    @property
    def steps(self) -> int:
        """T."""
        return len(self.reward)


def read_recording(path: Path) -> RecordedEpisode:
    """The episode in a file.

    Raises:
        RecordingError: the library that reads is not installed, or the file is no recording.
        OSError: there is no such file.
    """
    try:
        import h5py  # noqa: PLC0415  # only who records or replays needs it
    except ImportError:
        raise RecordingError(f"a recording is read by the library h5py, which is not installed: {REMEDY}") from None
    if not path.is_file():
        raise FileNotFoundError(f"there is no recording {path}")
    try:
        with h5py.File(path, "r") as file:
            about = dict(file.attrs)
            if about.get("format") != FORMAT:
                raise RecordingError(f"{path} is of the format {about.get('format')!r}; it must be {FORMAT!r}")
            groups = {name: {key: data[()] for key, data in file.get(name, {}).items()} for name in _GROUPS}
            # An episode may end in its first step.
            columns = {name: file[name][()] if name in file else _EMPTY for name in _COLUMNS}
    except RecordingError:
        raise
    except (OSError, KeyError) as error:
        raise RecordingError(f"{path} is no recording of an episode: {error}") from error
    return RecordedEpisode(
        observation=groups["observation"],
        privileged=groups["privileged"],
        pose=groups["pose"],
        info=groups["info"],
        action=columns["action"],
        reward=columns["reward"],
        policy_version=columns["policy_version"],
        environment=str(about.get("environment", "")),
        arguments=json.loads(about.get("arguments", "{}")),
        ending=str(about["ending"]),
        laps=json.loads(about.get("laps", "[]")),
        metrics=json.loads(about.get("metrics", "{}")),
        steps_per_second=float(about.get("steps_per_second", 0.0)),
        about=about,
    )
