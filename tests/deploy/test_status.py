from collections.abc import Iterator
from concurrent import futures

import grpc
import pytest

from deploy.local.status import StatusSource, flow_state_name, median_staleness
from distrib_l2r.v1 import learner_service_pb2_grpc, status_pb2
from tests.deploy.fake_learner import FakeLearner


@pytest.fixture
def server() -> Iterator[tuple[grpc.Server, str]]:
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=1))
    learner_service_pb2_grpc.add_LearnerServiceServicer_to_server(FakeLearner("planted"), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield server, f"127.0.0.1:{port}"
    server.stop(0).wait(10)


def test_status_is_what_the_learner_answers_and_none_once_it_is_gone(server: tuple[grpc.Server, str]) -> None:
    learner, address = server
    source = StatusSource(address)
    status = source.read()
    assert status is not None
    assert (status.transitions, status.failure) == (47_528, "planted")
    learner.stop(0).wait(10)
    assert source.read() is None
    assert source.silent_seconds > 0
    source.close()


@pytest.mark.parametrize(
    ("buckets", "median"),
    [([], None), ([(0, 0)], None), ([(0, 1)], 0), ([(0, 50), (1, 50)], 0), ([(0, 40), (1, 5), (2, 50)], 2)],
)
def test_median_staleness_covers_half_of_the_transitions(buckets: list[tuple[int, int]], median: int | None) -> None:
    messages = [status_pb2.StalenessBucket(max_versions_behind=age, transitions=count) for age, count in buckets]
    assert median_staleness(messages) == median


def test_flow_state_has_a_short_name() -> None:
    assert flow_state_name(status_pb2.FLOW_STATE_THROTTLED) == "throttled"
