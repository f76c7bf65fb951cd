"""Golden messages: bytes that every client in any language must produce and understand, beside the same as text.

A failure here means that messages of an older release are no longer understood. Never change the files; add to them.
"""

from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format
from google.protobuf.message import Message

from distrib_l2r.policy import decode_graph, decode_version
from distrib_l2r.spaces import decode_spaces
from distrib_l2r.trajectory import Ending, Purpose, decode_chunk
from distrib_l2r.v1 import learner_service_pb2, policy_pb2, trajectory_pb2

GOLDEN = Path(__file__).parent / "golden"
TYPES: dict[str, type[Message]] = {
    "join_request": learner_service_pb2.JoinRunRequest,
    "chunk": trajectory_pb2.TrajectoryChunk,
    "policy_version": policy_pb2.PolicyVersion,
    "acknowledgement": learner_service_pb2.PushTrajectoriesResponse,
}


def text(name: str) -> Message:
    return text_format.Parse((GOLDEN / f"{name}.txtpb").read_text(), TYPES[name]())


def data(name: str) -> bytes:
    return bytes.fromhex((GOLDEN / f"{name}.hex").read_text())


@pytest.mark.parametrize("name", TYPES)
def test_bytes_and_text_are_the_same_message(name: str) -> None:
    assert TYPES[name].FromString(data(name)) == text(name)
    assert text(name).SerializeToString(deterministic=True) == data(name)


def test_the_golden_chunk_decodes_to_the_documented_numbers() -> None:
    request = learner_service_pb2.JoinRunRequest.FromString(data("join_request"))
    spaces = decode_spaces(request.spaces)
    chunk = decode_chunk(trajectory_pb2.TrajectoryChunk.FromString(data("chunk")), spaces)
    assert (chunk.sequence, chunk.episode_id, chunk.first_step, chunk.policy_version) == (3, 9, 128, 17)
    assert (chunk.purpose, chunk.ending) == (Purpose.TRAINING, Ending.TERMINATED)
    # Little-endian IEEE 754: 1.0 is 00 00 80 3f, -0.5 is 00 00 00 bf.
    np.testing.assert_array_equal(chunk.observation["observation"], np.array([[1.0], [-0.5]], "<f4"))
    np.testing.assert_array_equal(chunk.observation["camera"], np.array([[0, 255], [1, 2]], "u1"))
    np.testing.assert_array_equal(chunk.action, np.array([[0.25]], "<f4"))
    np.testing.assert_array_equal(chunk.reward, np.array([2.0], "<f4"))
    assert chunk.summary is not None
    assert chunk.summary.laps[0].sector_times_seconds == (20.5, 21.0)


def test_the_golden_policy_decodes_to_the_documented_numbers() -> None:
    policy = decode_version(policy_pb2.PolicyVersion.FromString(data("policy_version")))
    assert (policy.version, policy.training_step) == (17, 4200)
    np.testing.assert_array_equal(policy.weights["actor.weight"], np.array([[1.0, -0.5]], "<f4"))
    np.testing.assert_array_equal(policy.weights["actor.count"], np.array(5, "<i8"))


def test_a_graph_with_a_wrong_fingerprint_is_refused() -> None:
    with pytest.raises(ValueError, match=r"graph\.fingerprint is 'ab'; the graph's SHA-256 is e3b0c442"):
        decode_graph(policy_pb2.PolicyGraph(onnx=b"", fingerprint="ab"))
