"""The contract's guarantees, against a real server on port 0."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import grpc
import numpy as np
import pytest

from distrib_l2r.limits import MAX_MESSAGE_BYTES
from distrib_l2r.policy import decode_graph, decode_version
from distrib_l2r.spaces import Box
from distrib_l2r.trajectory import Ending, EpisodeSummary, Lap, Purpose
from distrib_l2r.v1 import join_pb2
from distrib_l2r.v1 import learner_service_pb2 as pb
from learner_service import AsyncLearningNode
from tests.bare_client import BareClient, chunk_request
from tests.fakes import SPACES
from tests.learner.settings import CONFIG, refusal

pytestmark = pytest.mark.usefixtures("fake_actor_exported_once")


def test_join_tells_everything_a_worker_needs(client: BareClient) -> None:
    answer = client.join()
    assert answer.run_id == "run"
    assert answer.environment.id == "Racetrack-v0"
    assert decode_graph(answer.graph).fingerprint == answer.graph.fingerprint
    assert answer.limits.chunk_length == CONFIG.flow.chunk_length
    assert answer.limits.max_message_bytes == MAX_MESSAGE_BYTES
    assert answer.assignment.role == join_pb2.ROLE_COLLECT


def test_join_again_with_the_same_session_keeps_its_assignment(client: BareClient, learner: AsyncLearningNode) -> None:
    first = client.join().assignment
    with BareClient(learner.address, "session-2") as other:
        assert other.join().assignment.index == first.index + 1
    assert client.join().assignment == first


def test_a_wrong_observation_space_is_refused_with_a_sentence_that_names_both(client: BareClient) -> None:
    wider = dataclasses.replace(SPACES, observation={"observation": Box(low=np.zeros(5, "f4"), high=np.ones(5, "f4"))})
    with pytest.raises(grpc.RpcError) as refused:
        client.join(wider)
    code, sentence = refusal(refused)
    assert code is grpc.StatusCode.FAILED_PRECONDITION
    assert sentence.startswith("observation 'observation' is float32 (5,); the run's is float32 (3,): update the")


@pytest.mark.parametrize(
    ("field", "value", "code", "sentence"),
    [
        ("protocol_version", 2, grpc.StatusCode.FAILED_PRECONDITION, "protocol_version is 2; this learner speaks 1"),
        ("worker_name", "", grpc.StatusCode.INVALID_ARGUMENT, "worker_name is 0 characters long; it must have 1 to"),
        ("session_id", "x" * 65, grpc.StatusCode.INVALID_ARGUMENT, "session_id is 65 characters long"),
        ("role", 9, grpc.StatusCode.INVALID_ARGUMENT, "role is 9; it must be a listed Role"),
    ],
)
def test_join_names_the_field_that_breaks_its_rule(
    client: BareClient, field: str, value: Any, code: grpc.StatusCode, sentence: str
) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        client.join(**{field: value})
    assert refusal(refused)[0] is code
    assert refusal(refused)[1].startswith(sentence)


def test_the_policy_comes_once_and_then_only_when_it_is_newer(client: BareClient) -> None:
    client.join()
    policy = decode_version(client.get_policy().policy)
    assert policy.version == 1
    assert {name.removeprefix("actor.") for name in policy.weights} == {"linear.weight", "linear.bias"}
    assert not client.get_policy(known_version=1).HasField("policy")


def test_training_publishes_versions_that_only_grow_and_announces_them_unasked(client: BareClient) -> None:
    stream = client.open(client.header())
    assert stream.answer().newest_policy_version == 1
    stream.send_training(9)
    stream.answer_until(lambda answer: answer.newest_policy_version >= 2)
    stream.send(chunk_request(10, first_step=36))
    announced = stream.answer_until(lambda answer: answer.newest_policy_version >= 3).newest_policy_version
    assert decode_version(client.get_policy().policy).version >= announced
    stream.send(None)


def test_a_one_shot_client_may_open_send_close_and_read_one_answer(client: BareClient) -> None:
    answers = client.push(client.header(), chunk_request(1), chunk_request(2, first_step=4))
    assert answers[-1].committed_sequence == 2
    assert client.status().transitions == 8


def test_a_chunk_sent_twice_is_stored_once_and_acknowledged_again(client: BareClient) -> None:
    header = client.header()
    assert client.push(header, chunk_request(1), chunk_request(1))[-1].committed_sequence == 1
    assert client.push(header, chunk_request(1), chunk_request(2, first_step=4))[-1].committed_sequence == 2
    assert client.status().transitions == 8


def several(*requests: pb.PushTrajectoriesRequest) -> pb.PushTrajectoriesRequest:
    """One message with the chunks of several."""
    return pb.PushTrajectoriesRequest(chunks=pb.TrajectoryChunks(chunks=[request.chunk for request in requests]))


def test_several_chunks_in_one_message_are_each_stored_once(client: BareClient) -> None:
    header = client.header()
    chunks = [chunk_request(sequence, first_step=4 * (sequence - 1)) for sequence in range(1, 6)]
    assert client.push(header, several(*chunks[:3]))[-1].committed_sequence == 3
    assert client.push(header, several(*chunks[1:4]), chunks[4])[-1].committed_sequence == 5
    assert client.status().transitions == 20


@pytest.mark.parametrize(
    ("sequences", "sentence"),
    [
        ((2, 4), "chunks[1].sequence is 4; the session's next is 3: resend from there"),
        ((2, 2), "chunks[1].sequence is 2; the session's next is 3: resend from there"),
        ((3, 2), "chunks[0].sequence is 3; the session's next is 2: resend from there"),
        ((2, 0), "chunks[1].sequence is 0; it starts at 1"),
        ((), "chunks is 0 chunks; a message has 1 to 8, as JoinRun's limits say"),
        (range(2, 11), "chunks is 9 chunks; a message has 1 to 8, as JoinRun's limits say"),
    ],
)
def test_of_a_message_with_a_broken_sequence_nothing_is_stored(
    client: BareClient, sequences: Sequence[int], sentence: str
) -> None:
    message = several(
        *(chunk_request(sequence, first_step=4 * (sequence - 1) if sequence else 0) for sequence in sequences)
    )
    with pytest.raises(grpc.RpcError) as refused:
        client.push(client.header(), chunk_request(1), message)
    assert refusal(refused) == (grpc.StatusCode.INVALID_ARGUMENT, sentence)
    assert client.status().transitions == 4


def test_of_a_message_with_one_bad_chunk_nothing_is_stored(client: BareClient) -> None:
    bad = chunk_request(3, first_step=8)
    bad.chunk.reward.data = np.full(4, np.nan, "f4").tobytes()
    with pytest.raises(grpc.RpcError) as refused:
        client.push(client.header(), chunk_request(1), several(chunk_request(2, first_step=4), bad))
    assert refusal(refused) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "chunks[1].reward[0] is nan; every number must be finite",
    )
    assert client.status().transitions == 4


def test_several_chunks_beyond_credit_are_refused_as_exhausted(client: BareClient) -> None:
    message = several(*(chunk_request(sequence, first_step=4 * (sequence - 1)) for sequence in range(1, 9)))
    stream = client.open(client.header())
    assert stream.answer().credit < 8, "an eighth of this replay holds fewer"
    stream.send(message)
    with pytest.raises(grpc.RpcError) as refused:
        stream.answer_until(lambda answer: answer.committed_sequence > 0)
    assert refusal(refused)[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert client.status().transitions == 0


def test_one_answer_stands_for_chunks_that_follow_each_other(client: BareClient) -> None:
    stream = client.open(client.header())
    stream.answer()
    answers, pairs = 0, 6
    for sent in range(0, 2 * pairs, 2):
        for sequence in (sent + 1, sent + 2):
            stream.send(chunk_request(sequence, length=2, first_step=2 * (sequence - 1)))
        committed = 0
        while committed < sent + 2:
            committed = stream.answer().committed_sequence
            answers += 1
    # One answer a pair, but for a pair that a slow machine pulls apart.
    assert pairs <= answers <= pairs + 3
    stream.send(None)


def test_a_gap_in_sequence_is_refused_with_the_sequence_to_resend_from(client: BareClient) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        client.push(client.header(), chunk_request(1), chunk_request(3))
    assert refusal(refused) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "chunk.sequence is 3; the session's next is 2: resend from there",
    )
    assert client.status().transitions == 4


def test_push_rejects_a_chunk_before_the_header(client: BareClient) -> None:
    client.join()
    with pytest.raises(grpc.RpcError) as refused:
        client.push(chunk_request(1))
    assert refusal(refused)[0] is grpc.StatusCode.INVALID_ARGUMENT
    assert "first message is not a header" in refusal(refused)[1]


def test_push_rejects_a_second_header(client: BareClient) -> None:
    header = client.header()
    with pytest.raises(grpc.RpcError) as refused:
        client.push(header, header)
    assert refusal(refused)[1] == "message is header; after the header only chunks and leaving may follow"


def test_push_rejects_a_session_that_never_joined(client: BareClient) -> None:
    header = pb.PushTrajectoriesRequest(header=pb.StreamHeader(session_id="nobody"))
    with pytest.raises(grpc.RpcError) as refused:
        client.push(header)
    assert refusal(refused)[0] is grpc.StatusCode.FAILED_PRECONDITION
    assert "call JoinRun first" in refusal(refused)[1]


def test_push_rejects_a_foreign_graph(client: BareClient) -> None:
    header = client.header()
    header.header.graph_fingerprint = "00"
    with pytest.raises(grpc.RpcError) as refused:
        client.push(header)
    assert refusal(refused)[0] is grpc.StatusCode.FAILED_PRECONDITION


def test_bad_input_stores_nothing_and_disturbs_nobody(client: BareClient, learner: AsyncLearningNode) -> None:
    with BareClient(learner.address, "session-2") as other:
        stream = other.open(other.header())
        stream.send(chunk_request(1))
        stream.answer_until(lambda answer: answer.committed_sequence == 1)
        bad = chunk_request(2, first_step=4)
        bad.chunk.reward.data = np.array([1, np.inf, 1, 1], "f4").tobytes()
        with pytest.raises(grpc.RpcError) as refused:
            client.push(client.header(), chunk_request(1), bad)
        assert refusal(refused) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            "chunk.reward[1] is inf; every number must be finite",
        )
        assert client.status().transitions == 8, "the chunk before the bad one stays committed"
        stream.send(chunk_request(2, first_step=4))
        stream.answer_until(lambda answer: answer.committed_sequence == 2)
        stream.send(None)


def test_more_chunks_than_credit_are_refused_as_exhausted(client: BareClient) -> None:
    stream = client.open(client.header())
    stream.answer()
    # Far beyond any grant: a client that ignores credit altogether.
    stream.send(chunk_request(CONFIG.flow.max_in_flight_chunks + 1))
    with pytest.raises(grpc.RpcError) as refused:
        while True:
            stream.answer()
    assert refusal(refused)[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "credit reaches up to 7" in refusal(refused)[1]
    stream.cancel()


def test_a_newer_stream_of_a_session_replaces_the_older(client: BareClient) -> None:
    header = client.header()
    older = client.open(header)
    older.answer()
    newer = client.open(header)
    newer.answer()
    with pytest.raises(grpc.RpcError) as replaced:
        while True:
            older.answer()
    assert refusal(replaced)[0] is grpc.StatusCode.ABORTED
    newer.send(chunk_request(1))
    newer.answer_until(lambda answer: answer.committed_sequence == 1)
    newer.send(None)
    older.cancel()


def test_evaluation_never_enters_replay_but_is_reported_by_version(client: BareClient) -> None:
    client.join(role=join_pb2.ROLE_EVALUATE)
    client.get_policy()
    summary = EpisodeSummary(length=4, episode_return=9.0, laps=(Lap(number=1, time_seconds=61.25),), laps_started=1)
    client.push(
        client.header(),
        chunk_request(1, purpose=Purpose.EVALUATION, ending=Ending.TRUNCATED, summary=summary),
    )
    status = client.status()
    assert status.transitions == 0
    assert (status.laps_clean, status.laps_total) == (1, 1)
    assert status.best_evaluation.policy_version == 1
    assert status.best_lap.lap.time_seconds == 61.25


def test_an_aborted_evaluation_episode_says_nothing_about_its_version(client: BareClient) -> None:
    chunk = chunk_request(1, purpose=Purpose.EVALUATION, ending=Ending.ABORTED)
    client.push(client.header(), chunk)
    status = client.status()
    assert not status.HasField("newest_evaluation")
    assert (status.aborted_episodes, status.workers[0].aborted_episodes) == (1, 1)


def test_status_counts_what_each_worker_did(client: BareClient) -> None:
    client.push(client.header(), chunk_request(1, ending=Ending.ABORTED))
    worker = client.status().workers[0]
    assert (worker.name, worker.transitions, worker.episodes, worker.aborted_episodes) == ("bare", 4, 1, 1)
    assert [(b.max_versions_behind, b.transitions) for b in client.status().staleness] == [(0, 4)]
