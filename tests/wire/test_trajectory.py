"""Chunks survive the wire unchanged; every rule of the contract is enforced by a sentence."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distrib_l2r.invalid import InvalidMessageError
from distrib_l2r.spaces import Box, Spaces, decode_spaces, encode_spaces
from distrib_l2r.trajectory import Ending, EpisodeSummary, Lap, Purpose, TrajectoryChunk, decode_chunk, encode_chunk
from distrib_l2r.v1 import spaces_pb2, tensor_pb2
from distrib_l2r.v1 import trajectory_pb2 as pb
from tests.wire.strategies import all_spaces, chunks

SPACES = Spaces(
    observation={"observation": Box(low=np.full(3, -np.inf, "f4"), high=np.full(3, np.inf, "f4"))},
    action=Box(low=np.full(2, -1, "f4"), high=np.full(2, 1, "f4")),
)
CHUNK = TrajectoryChunk(
    sequence=1,
    episode_id=7,
    first_step=0,
    policy_version=1,
    purpose=Purpose.TRAINING,
    observation={"observation": np.arange(15, dtype="f4").reshape(5, 3)},
    action=np.zeros((4, 2), "f4"),
    reward=np.ones(4, "f4"),
    ending=Ending.TERMINATED,
    summary=EpisodeSummary(length=4, episode_return=4.0, laps=(Lap(number=1, time_seconds=60.5),), laps_started=1),
)


@settings(deadline=None)
@given(st.data())
def test_any_chunk_survives_the_wire(data: st.DataObject) -> None:
    spaces = data.draw(all_spaces())
    chunk = data.draw(chunks(spaces))
    message = pb.TrajectoryChunk.FromString(encode_chunk(chunk).SerializeToString())
    decoded = decode_chunk(message, decode_spaces(encode_spaces(spaces)))
    names = ("sequence", "episode_id", "first_step", "policy_version", "purpose", "ending", "summary")
    for name in (*names, "simulator_restarts", "mirror_of"):
        assert getattr(decoded, name) == getattr(chunk, name)
    for ours, theirs in ((chunk.observation, decoded.observation), (chunk.privileged, decoded.privileged)):
        assert set(ours) == set(theirs)
        for name, column in ours.items():
            assert column.dtype == theirs[name].dtype
            np.testing.assert_array_equal(column, theirs[name])
    np.testing.assert_array_equal(decoded.action, chunk.action)
    np.testing.assert_array_equal(decoded.reward, chunk.reward)


@settings(deadline=None)
@given(all_spaces())
def test_any_spaces_survive_the_wire(spaces: Spaces) -> None:
    decoded = decode_spaces(spaces_pb2.Spaces.FromString(encode_spaces(spaces).SerializeToString()))
    assert spaces.mismatch(decoded) is None
    for name, box in spaces.observation.items():
        np.testing.assert_array_equal(decoded.observation[name].low, box.low)
        np.testing.assert_array_equal(decoded.observation[name].high, box.high)


def test_an_image_space_takes_a_scalar_on_the_wire() -> None:
    image = Box(low=np.zeros((64, 64, 3), "u1"), high=np.full((64, 64, 3), 255, "u1"))
    spaces = Spaces(observation={"image": image}, action=SPACES.action)
    assert encode_spaces(spaces).ByteSize() < 200


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused_and_never_crash(data: bytes) -> None:
    try:
        message = pb.TrajectoryChunk.FromString(data)
    except Exception as error:
        assert type(error).__name__ == "DecodeError"
        return
    with pytest.raises(InvalidMessageError):
        decode_chunk(message, SPACES)


def _set(**fields: object) -> Callable[[pb.TrajectoryChunk], None]:
    def change(message: pb.TrajectoryChunk) -> None:
        for name, value in fields.items():
            setattr(message, name, value)

    return change


def _tensor(
    name: str, array: np.ndarray[tuple[int, ...], np.dtype[np.float32]]
) -> Callable[[pb.TrajectoryChunk], None]:
    def change(message: pb.TrajectoryChunk) -> None:
        tensor = message.observation[0].tensor if name == "observation" else getattr(message, name)
        tensor.CopyFrom(
            tensor_pb2.Tensor(data_type=tensor_pb2.DATA_TYPE_FLOAT32, shape=array.shape, data=array.tobytes())
        )

    return change


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (_set(sequence=0), r"chunk\.sequence is 0; it starts at 1"),
        (_set(policy_version=0), r"chunk\.policy_version is 0; it starts at 1"),
        (_set(purpose=0), r"chunk\.purpose, chunk\.ending is \(0, 2\); both must be listed"),
        (_set(ending=0), r"chunk\.purpose, chunk\.ending is \(1, 0\); both must be listed"),
        (_set(ending=1), r"chunk\.summary is present; it is present exactly when the episode ends"),
        (lambda m: m.ClearField("summary"), r"chunk\.summary is absent"),
        (lambda m: m.ClearField("observation"), r"chunk\.observation is columns \[\]; .* \['observation'\]"),
        (_tensor("reward", np.ones(0, "f4")), r"chunk\.reward is float32 \(0,\)"),
        (
            _tensor("reward", np.array([0, 0, np.nan, 0], "f4")),
            r"chunk\.reward\[2\] is nan; every number must be finite",
        ),
        (_tensor("action", np.zeros((3, 2), "f4")), r"chunk\.action is float32 \(3, 2\); .* makes it float32 \(4, 2\)"),
        (_tensor("action", np.full((4, 2), 1.5, "f4")), r"chunk\.action is between 1\.5 and 1\.5; .* action bounds"),
        (
            _tensor("action", np.full((4, 2), np.nan, "f4")),
            r"chunk\.action\[0, 0\] is nan; every number must be finite",
        ),
        (_tensor("reward", np.full(4, np.inf, "f4")), r"chunk\.reward\[0\] is inf; every number must be finite"),
        (
            _tensor("observation", np.full((5, 3), -np.inf, "f4")),
            r"chunk\.observation\['observation'\]\[0, 0\] is -inf; every number must be finite",
        ),
        # The off-by-one that a contract of T + 1 rows invites.
        (_tensor("observation", np.zeros((4, 3), "f4")), r"chunk\.observation\['observation'\] is float32 \(4, 3\)"),
        (lambda m: setattr(m.summary, "length", 0), r"chunk\.summary\.length is 0; an episode has at least one step"),
        (lambda m: setattr(m.summary, "laps_started", 0), r"chunk\.summary\.laps_started is 0; 1 laps were completed"),
        (lambda m: setattr(m.summary.laps[0], "time_seconds", -1), r"chunk\.summary\.laps\[0\]"),
        (
            lambda m: setattr(m.summary, "abort_reason", "why"),
            r"chunk\.summary\.abort_reason is present; it is empty unless the episode was aborted",
        ),
        (
            lambda m: m.MergeFrom(pb.TrajectoryChunk(ending=4, summary=pb.EpisodeSummary(abort_reason="x" * 1001))),  # type: ignore[arg-type]
            r"chunk\.summary\.abort_reason is 1001 characters long; it may have at most 1000",
        ),
        (
            lambda m: setattr(m, "mirror_of", 7),
            r"chunk\.mirror_of is 7; an episode mirrors another one, or none, which",
        ),
        (lambda m: setattr(m.summary, "episode_return", float("nan")), r"chunk\.summary\.episode_return is nan"),
    ],
)
def test_each_broken_rule_is_named_with_path_and_value(
    change: Callable[[pb.TrajectoryChunk], None], sentence: str
) -> None:
    message = encode_chunk(CHUNK)
    change(message)
    with pytest.raises(InvalidMessageError, match=sentence):
        decode_chunk(message, SPACES)


def test_a_mismatch_of_spaces_names_both_sides() -> None:
    other = Spaces(observation={"observation": Box(low=np.zeros(5, "f4"), high=np.ones(5, "f4"))}, action=SPACES.action)
    assert SPACES.mismatch(other) == "observation 'observation' is float32 (5,); the run's is float32 (3,)"


def test_unbounded_actions_are_refused_with_the_remedy() -> None:
    spaces = Spaces(observation=SPACES.observation, action=SPACES.observation["observation"])
    with pytest.raises(InvalidMessageError, match="action bounds must be finite: wrap the environment"):
        decode_spaces(encode_spaces(spaces))
