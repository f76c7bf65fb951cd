"""Chunks of trajectories: consecutive steps of one episode, and their messages."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

import numpy as np

from distrib_l2r.invalid import refuse
from distrib_l2r.limits import MAX_REASON_LENGTH
from distrib_l2r.spaces import Box, Spaces
from distrib_l2r.tensor import (
    Array,
    all_finite,
    checked_name,
    decode_columns,
    decode_tensor,
    fill_tensor,
)
from distrib_l2r.v1 import tensor_pb2, trajectory_pb2

_REWARD: Final = Box(low=np.full((), -np.inf, np.float32), high=np.full((), np.inf, np.float32))


class Ending(IntEnum):
    """How the last step of a chunk left its episode; numbered as on the wire."""

    CONTINUES = trajectory_pb2.ENDING_CONTINUES
    TERMINATED = trajectory_pb2.ENDING_TERMINATED
    TRUNCATED = trajectory_pb2.ENDING_TRUNCATED
    ABORTED = trajectory_pb2.ENDING_ABORTED


class Purpose(IntEnum):
    """What a trajectory was driven for; numbered as on the wire."""

    TRAINING = trajectory_pb2.PURPOSE_TRAINING
    EVALUATION = trajectory_pb2.PURPOSE_EVALUATION


# Looking a number up in an enumeration takes several times as long.
_PURPOSES: Final[Mapping[int, Purpose]] = {int(purpose): purpose for purpose in Purpose}
_ENDINGS: Final[Mapping[int, Ending]] = {int(ending): ending for ending in Ending}


@dataclass(frozen=True, kw_only=True)
class Lap:
    """One lap, timed from line to line by the simulator."""

    number: int
    """Counts from 1 within the episode."""
    time_seconds: float
    """From line to line."""
    sector_times_seconds: tuple[float, ...] = ()
    """Sum to time_seconds; may be empty."""
    standing_start: bool = False
    """Whether it began at rest on the line."""


@dataclass(frozen=True, kw_only=True)
class EpisodeSummary:
    """What became of a whole episode."""

    length: int
    """Steps, at least 1."""
    episode_return: float
    """Undiscounted sum of rewards."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """The environment's own figures at the end; units in their names."""
    laps: tuple[Lap, ...] = ()
    """Completed laps, in order."""
    laps_started: int = 0
    """Laps begun, completed or not."""
    abort_reason: str = ""
    """Why the simulator failed, where the episode was aborted."""


@dataclass(frozen=True, eq=False, kw_only=True)
class TrajectoryChunk:
    """T consecutive steps of one episode.

    Row t of observation, action and reward belong together; row t + 1 of observation is what the action led to.
    """

    sequence: int = 0
    """From 1, by 1, within the session; 0 while it is not numbered."""
    episode_id: int
    """Names the episode within the session."""
    first_step: int
    """Index in the episode of row 0."""
    policy_version: int
    """The version that chose every action here."""
    purpose: Purpose
    """Only training chunks enter replay."""
    observation: Mapping[str, Array]
    """Each [T + 1, ...] in its box's shape and dtype."""
    action: Array
    """[T, ...] in the action box's shape and dtype."""
    reward: Array
    """float32 [T]."""
    ending: Ending
    """Of the last step; the others continue."""
    privileged: Mapping[str, Array] = field(default_factory=dict)
    """Each [T + 1, ...]; what only the critic sees."""
    summary: EpisodeSummary | None = None
    """Present exactly when the episode ends here."""
    simulator_restarts: int = 0
    """How often the worker has had to make its simulator anew."""
    mirror_of: int = 0
    """The episode of this session from whose seed this one began, with its noise negated; 0: none."""

    @property
    def length(self) -> int:
        """T, the number of steps."""
        return len(self.reward)


def encode_chunk(chunk: TrajectoryChunk) -> trajectory_pb2.TrajectoryChunk:
    """The message of a chunk: one copy of each column."""
    message = trajectory_pb2.TrajectoryChunk(
        sequence=chunk.sequence,
        episode_id=chunk.episode_id,
        first_step=chunk.first_step,
        policy_version=chunk.policy_version,
        purpose=trajectory_pb2.Purpose.ValueType(chunk.purpose),
        ending=trajectory_pb2.Ending.ValueType(chunk.ending),
        summary=None if chunk.summary is None else _encode_summary(chunk.summary),
        simulator_restarts=chunk.simulator_restarts,
        mirror_of=chunk.mirror_of,
    )
    for name, column in chunk.observation.items():
        fill_tensor(message.observation.add(name=name).tensor, column)
    for name, column in chunk.privileged.items():
        fill_tensor(message.privileged.add(name=name).tensor, column)
    fill_tensor(message.action, chunk.action)
    fill_tensor(message.reward, chunk.reward)
    return message


def decode_chunk(message: trajectory_pb2.TrajectoryChunk, spaces: Spaces, path: str = "chunk") -> TrajectoryChunk:
    """The chunk of a message, checked against the run's spaces; its arrays are read-only views of the message.

    Raises:
        InvalidMessageError: any rule of the contract is broken.
    """
    sequence, policy_version = message.sequence, message.policy_version
    if sequence < 1:
        refuse(f"{path}.sequence", sequence, "it starts at 1")
    if policy_version < 1:
        refuse(f"{path}.policy_version", policy_version, "it starts at 1")
    purpose, ending = _PURPOSES.get(message.purpose), _ENDINGS.get(message.ending)
    if purpose is None or ending is None:
        refuse(f"{path}.purpose, {path}.ending", (message.purpose, message.ending), "both must be listed values")
    length = len(message.reward.data) // _REWARD.element_bytes
    reward = _expected(message.reward, _REWARD, length)
    if reward is None or length == 0:
        reward = decode_tensor(message.reward, f"{path}.reward")
        refuse(f"{path}.reward", f"{reward.dtype.name} {reward.shape}", "it must be float32 [T] with T at least 1")
    # The bounds are finite, and so is what lies within.
    action = _expected(message.action, spaces.action, length, finite=False)
    if action is None:
        action = decode_tensor(message.action, f"{path}.action")
        _check_column(action, spaces.action, length, f"{path}.action")
    if not spaces.action.contains_all(action):
        decode_tensor(message.action, f"{path}.action")
        refuse(f"{path}.action", f"between {action.min()} and {action.max()}", "it must lie in the action bounds")
    observation = _decode_states(message.observation, spaces.observation, length + 1, f"{path}.observation")
    privileged = _decode_states(message.privileged, spaces.privileged, length + 1, f"{path}.privileged")
    if message.HasField("summary") != (ending is not Ending.CONTINUES):
        present = "present" if message.HasField("summary") else "absent"
        refuse(f"{path}.summary", present, "it is present exactly when the episode ends in this chunk")
    if message.mirror_of and message.mirror_of == message.episode_id:
        refuse(f"{path}.mirror_of", message.mirror_of, "an episode mirrors another one, or none, which is 0")
    if message.summary.abort_reason and ending is not Ending.ABORTED:
        refuse(f"{path}.summary.abort_reason", "present", "it is empty unless the episode was aborted")
    return TrajectoryChunk(
        sequence=sequence,
        episode_id=message.episode_id,
        first_step=message.first_step,
        policy_version=policy_version,
        purpose=purpose,
        observation=observation,
        action=action,
        reward=reward,
        ending=ending,
        privileged=privileged,
        summary=_decode_summary(message.summary, f"{path}.summary") if message.HasField("summary") else None,
        simulator_restarts=message.simulator_restarts,
        mirror_of=message.mirror_of,
    )


def encode_lap(lap: Lap) -> trajectory_pb2.Lap:
    """The message of a lap."""
    return trajectory_pb2.Lap(
        number=lap.number,
        time_seconds=lap.time_seconds,
        sector_times_seconds=lap.sector_times_seconds,
        standing_start=lap.standing_start,
    )


def _decode_states(
    messages: Sequence[tensor_pb2.NamedTensor], boxes: Mapping[str, Box], rows: int, path: str
) -> dict[str, Array]:
    columns: dict[str, Array] = {}
    for message in messages:
        box = boxes.get(message.name)
        column = None if box is None else _expected(message.tensor, box, rows)
        if column is None:
            break
        columns[message.name] = column
    if len(columns) == len(boxes) == len(messages):
        return columns
    # Not what was expected at a glance: with care, which tells what is wrong, if anything is.
    columns = decode_columns(messages, path)
    if set(columns) != set(boxes):
        refuse(f"{path}", f"columns {sorted(columns)}", f"the run's columns are {sorted(boxes)}")
    for name, column in columns.items():
        _check_column(column, boxes[name], rows, f"{path}[{name!r}]")
    return columns


def _expected(message: tensor_pb2.Tensor, box: Box, rows: int, *, finite: bool = True) -> Array | None:
    """The tensor as a read-only array over the message's bytes if it is `rows` elements of the box, finite if asked.

    None where it is not, and where bytes have rules of their own: the last word is `decode_tensor`'s then, which takes
    several times as long.
    """
    data, dtype, shape = message.data, box.dtype, (rows, *box.shape)
    if (
        message.data_type != box.data_type
        or dtype.kind == "b"
        or len(data) != rows * box.element_bytes
        or tuple(message.shape) != shape
    ):
        return None
    array: Array = np.ndarray(shape, dtype, data)
    return array if not finite or all_finite(array) else None


def _check_column(column: Array, box: Box, rows: int, path: str) -> None:
    if column.dtype != box.dtype or column.shape != (rows, *box.shape):
        expected = f"{box.dtype.name} {(rows, *box.shape)}"
        refuse(path, f"{column.dtype.name} {column.shape}", f"the run's space makes it {expected}")


def _encode_summary(summary: EpisodeSummary) -> trajectory_pb2.EpisodeSummary:
    return trajectory_pb2.EpisodeSummary(
        length=summary.length,
        episode_return=summary.episode_return,
        metrics=[trajectory_pb2.Metric(name=name, value=value) for name, value in summary.metrics.items()],
        laps=[encode_lap(lap) for lap in summary.laps],
        laps_started=summary.laps_started,
        abort_reason=summary.abort_reason,
    )


def _decode_summary(message: trajectory_pb2.EpisodeSummary, path: str) -> EpisodeSummary:
    if message.length < 1:
        refuse(f"{path}.length", message.length, "an episode has at least one step")
    _check_finite(message.episode_return, f"{path}.episode_return")
    metrics: dict[str, float] = {}
    for metric in message.metrics:
        name = checked_name(metric.name, f"{path}.metrics.name")
        if name in metrics:
            refuse(f"{path}.metrics.name", repr(name), "names must be unique in their list")
        metrics[name] = _check_finite(metric.value, f"{path}.metrics[{name!r}]")
    if message.laps_started < len(message.laps):
        refuse(f"{path}.laps_started", message.laps_started, f"{len(message.laps)} laps were completed")
    if len(message.abort_reason) > MAX_REASON_LENGTH:
        rule = f"it may have at most {MAX_REASON_LENGTH} characters"
        refuse(f"{path}.abort_reason", f"{len(message.abort_reason)} characters long", rule)
    return EpisodeSummary(
        length=message.length,
        episode_return=message.episode_return,
        metrics=metrics,
        laps=tuple(_decode_lap(lap, f"{path}.laps[{i}]") for i, lap in enumerate(message.laps)),
        laps_started=message.laps_started,
        abort_reason=message.abort_reason,
    )


def _decode_lap(message: trajectory_pb2.Lap, path: str) -> Lap:
    times = (message.time_seconds, *message.sector_times_seconds)
    if message.number < 1:
        refuse(f"{path}.number", message.number, "laps count from 1")
    if not all(math.isfinite(time) and time > 0 for time in times):
        refuse(f"{path}", times, "every time must be finite and above 0")
    return Lap(
        number=message.number,
        time_seconds=message.time_seconds,
        sector_times_seconds=tuple(message.sector_times_seconds),
        standing_start=message.standing_start,
    )


def _check_finite(value: float, path: str) -> float:
    if not math.isfinite(value):
        refuse(path, value, "it must be finite")
    return value
