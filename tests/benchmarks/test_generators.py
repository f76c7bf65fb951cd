"""Load generators against a real server."""

from contextlib import ExitStack

import pytest

from tests.bare_client import eventually
from tests.benchmarks import bare_grpc, raw_tcp
from tests.benchmarks.generators import Generators, server
from tests.benchmarks.load import Load
from tests.benchmarks.pour import Chunks


@pytest.mark.slow
def test_streams_over_two_processes_arrive_and_a_stream_that_fails_is_an_error() -> None:
    with ExitStack() as stack:
        generators = Generators(2, stack)
        address, _, counts = stack.enter_context(server(bare_grpc.serve))
        with generators.running(Load(target="bare_grpc", address=address, streams=3)):
            eventually(lambda: counts[0] > 100, "messages arrive")
        address, _, received = stack.enter_context(server(raw_tcp.serve))
        size = len(Chunks("vector", 64).request(1))
        with generators.running(Load(target="raw_tcp", address=address, streams=3)):
            eventually(lambda: all(count > size for count in received[:3]), "bytes arrive over each connection")
        with (
            pytest.raises(RuntimeError, match="a benchmark's process failed"),
            generators.running(Load(target="raw_tcp", address="127.0.0.1:1", streams=2)),
        ):
            pytest.fail("nothing listens there")
