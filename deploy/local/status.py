"""The learner's status, asked for over gRPC."""

import time
from collections.abc import Iterable
from typing import Final

import grpc

from distrib_l2r.limits import CHANNEL_OPTIONS
from distrib_l2r.v1 import learner_service_pb2, learner_service_pb2_grpc, status_pb2

CALL_SECONDS: Final = 5.0
"""Deadline of one question."""


class StatusSource:
    """Asks one learner for its status."""

    def __init__(self, address: str) -> None:
        """Connects to `address`, a host:port, when first asked."""
        self._channel = grpc.insecure_channel(address, options=CHANNEL_OPTIONS)
        self._stub = learner_service_pb2_grpc.LearnerServiceStub(self._channel)
        self._answered_seconds = time.monotonic()

    def read(self) -> status_pb2.RunStatus | None:
        """The status now; None if the learner does not answer."""
        try:
            response = self._stub.GetRunStatus(learner_service_pb2.GetRunStatusRequest(), timeout=CALL_SECONDS)
        except grpc.RpcError:
            return None
        self._answered_seconds = time.monotonic()
        return response.status

    @property
    def silent_seconds(self) -> float:
        """Since the last answer, or the start."""
        return time.monotonic() - self._answered_seconds

    def close(self) -> None:
        """Gives the connection back."""
        self._channel.close()


def median_staleness(buckets: Iterable[status_pb2.StalenessBucket]) -> int | None:
    """Half of all transitions were driven by a policy at most this many versions old; None without transitions."""
    ascending = list(buckets)
    half = sum(bucket.transitions for bucket in ascending) / 2
    passed = 0
    for bucket in ascending:
        passed += bucket.transitions
        if passed >= half > 0:
            return bucket.max_versions_behind
    return None


def flow_state_name(state: status_pb2.FlowState.ValueType) -> str:
    """Short and in lower case: healthy, starved, throttled."""
    return status_pb2.FlowState.Name(state).removeprefix("FLOW_STATE_").lower()
