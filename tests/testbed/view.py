"""A run from outside: its status, and whether anything acknowledged was lost between two of them."""

from collections.abc import Callable, Collection

import grpc

from distrib_l2r.v1 import join_pb2, learner_service_pb2, learner_service_pb2_grpc, status_pb2
from tests.testbed.commands import wait_for

CALL_SECONDS = 5.0


class View:
    """Asks a learner for its status, over a new connection each time: it may be another process, elsewhere, by now.

    Args:
        address: tells its HOST:PORT.
    """

    def __init__(self, address: Callable[[], str]) -> None:
        self._address = address

    def status(self) -> status_pb2.RunStatus | None:
        """None while it does not answer."""
        with grpc.insecure_channel(self._address(), (("grpc.enable_http_proxy", 0),)) as channel:
            stub = learner_service_pb2_grpc.LearnerServiceStub(channel)
            try:
                answer = stub.GetRunStatus(learner_service_pb2.GetRunStatusRequest(), timeout=CALL_SECONDS)
            except grpc.RpcError:
                return None
        status: status_pb2.RunStatus = answer.status
        return status

    def wait(
        self, what: str, condition: Callable[[status_pb2.RunStatus], bool], seconds: float
    ) -> status_pb2.RunStatus:
        """The first status that fits."""
        newest: list[status_pb2.RunStatus] = []

        def holds() -> bool:
            status = self.status()
            if status is not None:
                newest[:] = [status]
            return status is not None and condition(status)

        try:
            wait_for(what, holds, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; the learner's newest status: {newest}") from None
        return newest[0]

    def wait_training(self, workers: int, seconds: float = 120.0) -> status_pb2.RunStatus:
        """Waits until so many collecting workers are connected and transitions come in; returns the later status."""
        before = self.wait(f"{workers} workers connected", lambda status: len(connected(status)) == workers, seconds)
        return self.wait(
            "transitions go on", lambda status: status.transitions > before.transitions and status.updates > 0, seconds
        )


def connected(
    status: status_pb2.RunStatus, role: join_pb2.Role.ValueType = join_pb2.ROLE_COLLECT
) -> list[status_pb2.WorkerStatus]:
    """Who works now."""
    return [worker for worker in status.workers if worker.connected and worker.role == role]


def assert_nothing_lost(
    before: status_pb2.RunStatus, after: status_pb2.RunStatus, restarted: Collection[str] = ()
) -> None:
    """Everything that was committed before is there after, and all of it is accounted for.

    A worker begins a new session when its learner has returned with less than it acknowledged to that worker: workers
    that stayed, which are all but those whose names are `restarted`, must therefore have kept theirs.
    """
    assert after.run_id == before.run_id
    assert after.transitions >= before.transitions
    assert after.policy_version >= before.policy_version
    sessions = {worker.session_id: worker for worker in after.workers}
    for worker in before.workers:
        assert worker.session_id in sessions, f"{worker.name} has lost its session"
        assert sessions[worker.session_id].committed_sequence >= worker.committed_sequence
        assert sessions[worker.session_id].transitions >= worker.transitions
    known = {worker.name for worker in before.workers}
    begun = {worker.name for worker in after.workers if worker.session_id not in session_ids(before)} & known
    assert begun <= set(restarted), f"{begun - set(restarted)} have begun new sessions"
    collected = sum(worker.transitions for worker in after.workers if worker.role == join_pb2.ROLE_COLLECT)
    assert collected == after.transitions


def session_ids(status: status_pb2.RunStatus) -> set[str]:
    """Ids of its sessions."""
    return {worker.session_id for worker in status.workers}
