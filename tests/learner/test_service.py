"""Flow control, health, reflection and stopping, against a real server on port 0."""

import threading
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from distrib_l2r.v1 import learner_service_pb2 as pb
from distrib_l2r.v1 import status_pb2
from learner_service import AsyncLearningNode
from tests.bare_client import BareClient, chunk_request, eventually
from tests.fakes import CountingPolicy
from tests.learner.settings import CONFIG, THROTTLING, refusal

pytestmark = pytest.mark.usefixtures("fake_actor_exported_once")


def leaving(last_sequence: int) -> pb.PushTrajectoriesRequest:
    return pb.PushTrajectoriesRequest(leaving=pb.Leaving(last_sequence=last_sequence))


def test_workers_that_outrun_the_trainer_get_no_credit_until_it_caught_up() -> None:
    gate = threading.Event()
    with AsyncLearningNode(CountingPolicy(gate=gate), THROTTLING) as node, BareClient(node.address) as client:
        stream = client.open(client.header())
        stream.send_until_throttled()
        assert "workers wait" in client.status().flow_detail
        gate.set()
        answer = stream.answer_until(lambda answer: answer.credit > 0)
        assert answer.flow_state != status_pb2.FLOW_STATE_THROTTLED
        stream.send(None)


def test_a_worker_that_leaves_while_workers_wait_gets_credit_for_what_it_holds_and_no_more() -> None:
    gate = threading.Event()
    with AsyncLearningNode(CountingPolicy(gate=gate), THROTTLING) as node, BareClient(node.address) as client:
        stream = client.open(client.header())
        sent = stream.send_until_throttled()
        stream.send(leaving(sent + 2))
        assert stream.answer_until(lambda answer: answer.credit > 0).credit == 2
        for sequence in (sent + 1, sent + 2):
            stream.send(chunk_request(sequence, first_step=4 * (sequence - 1)))
        assert stream.answer_until(lambda answer: answer.committed_sequence == sent + 2).credit == 0
        # Another announcement gains nothing.
        stream.send(leaving(sent + 9))
        stream.send(chunk_request(sent + 3, first_step=4 * (sent + 2)))
        with pytest.raises(grpc.RpcError) as refused:
            stream.answer_until(lambda answer: answer.committed_sequence > sent + 2)
        assert refusal(refused)[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
        gate.set()


def test_clients_that_join_and_leave_over_and_over_gain_an_eighth_of_replay_at_most() -> None:
    gate = threading.Event()
    with AsyncLearningNode(CountingPolicy(gate=gate), THROTTLING) as node, BareClient(node.address) as client:
        stream = client.open(client.header())
        stream.send_until_throttled()
        before, brought, length = client.status().transitions, 0, CONFIG.flow.chunk_length
        for number in range(20):
            leaver = BareClient(node.address, f"leaver-{number}")
            limits = leaver.join().limits
            leaver_stream = leaver.open(leaver.header())
            leaver_stream.answer()
            leaver_stream.send(leaving(1_000_000))
            answer = leaver_stream.answer_until(lambda answer: answer.credit > 0 or bool(answer.flow_detail))
            credit, sequence = answer.credit, 0
            while credit > 0 and sequence < limits.leaving_chunks:
                sequence += 1
                leaver_stream.send(chunk_request(sequence, length=length, first_step=length * (sequence - 1)))
                answer = leaver_stream.answer_until(lambda answer, sent=sequence: answer.committed_sequence == sent)  # type: ignore[misc]
                credit = answer.credit
            brought += length * sequence
            leaver_stream.cancel()
            leaver.channel.close()
            if credit == 0 and sequence < limits.leaving_chunks:
                break
        allowed = CONFIG.flow.replay_capacity // 8
        assert "workers that leave have brought" in answer.flow_detail
        assert allowed - length < brought <= allowed
        assert client.status().transitions - before == brought
        gate.set()


def test_a_trainer_without_data_says_that_it_starves(client: BareClient) -> None:
    client.join()
    status = client.status()
    assert status.flow_state == status_pb2.FLOW_STATE_STARVED
    assert "32" in status.flow_detail, "the sentence names the transitions it waits for"


def test_health_follows_the_trainer() -> None:
    with AsyncLearningNode(CountingPolicy(fail_at_update=3), CONFIG) as node, BareClient(node.address) as client:
        health: Any = health_pb2_grpc.HealthStub(client.channel)

        def state() -> int:
            return int(health.Check(health_pb2.HealthCheckRequest(), timeout=5).status)

        assert state() == health_pb2.HealthCheckResponse.SERVING
        stream = client.open(client.header())
        stream.send_training(9)
        stream.send(None)
        eventually(lambda: state() == health_pb2.HealthCheckResponse.NOT_SERVING, "a dead trainer shows in health")
        assert client.status().failure == "ArithmeticError: the planted failure"


def test_health_waits_for_the_first_policy() -> None:
    with AsyncLearningNode(config=CONFIG) as node, BareClient(node.address) as client:
        health: Any = health_pb2_grpc.HealthStub(client.channel)
        assert health.Check(health_pb2.HealthCheckRequest(), timeout=5).status == 2, "NOT_SERVING"
        answer = client.join(spaces=None)
        assert not answer.HasField("graph")
        assert answer.environment.id == "Racetrack-v0"
        with pytest.raises(grpc.RpcError) as refused:
            client.get_policy()
        assert refusal(refused)[0] is grpc.StatusCode.FAILED_PRECONDITION
        assert client.join().HasField("graph"), "the first spaces become the run's"
        eventually(
            lambda: health.Check(health_pb2.HealthCheckRequest(), timeout=5).status == 1, "SERVING after the first"
        )


def test_reflection_lists_the_services(client: BareClient) -> None:
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(client.channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    answer = next(stub.ServerReflectionInfo(iter([request]), timeout=5))
    names = {service.name for service in answer.list_services_response.service}
    assert {"distrib_l2r.v1.LearnerService", "grpc.health.v1.Health"} <= names


def test_stopping_tells_workers_to_drain_and_refuses_new_work(learner: AsyncLearningNode, client: BareClient) -> None:
    stream = client.open(client.header())
    stream.send(chunk_request(1))
    stream.answer_until(lambda answer: answer.committed_sequence == 1)
    learner.stop()
    with pytest.raises(grpc.RpcError) as ended:
        stream.answer_until(lambda answer: answer.drain)
        while True:
            # The last answer covers what came until the stream ends, and this client never half-closes.
            assert stream.answer().drain
    assert refusal(ended)[0] is grpc.StatusCode.UNAVAILABLE
    stream.cancel()
