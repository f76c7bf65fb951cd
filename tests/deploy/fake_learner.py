"""`python -m tests.deploy.fake_learner`: takes a learner's flags, learns nothing, and reports as if it did."""

import argparse
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from types import FrameType

import grpc

from distrib_l2r.v1 import learner_service_pb2 as pb
from distrib_l2r.v1 import learner_service_pb2_grpc, status_pb2
from tests.deploy.policies import save_idle_pendulum
from tests.deploy.statuses import pendulum_status


class FakeLearner(learner_service_pb2_grpc.LearnerServiceServicer):
    """Training begins with the first question; the status says what `planted_failure` says."""

    def __init__(self, planted_failure: str) -> None:
        self._planted_failure = planted_failure
        self._began: float | None = None

    def GetRunStatus(  # noqa: N802
        self, request: pb.GetRunStatusRequest, context: grpc.ServicerContext
    ) -> pb.GetRunStatusResponse:
        self._began = self._began or time.monotonic()
        status = status_pb2.RunStatus()
        status.CopyFrom(pendulum_status())
        status.training_seconds = time.monotonic() - self._began
        status.failure = self._planted_failure
        return pb.GetRunStatusResponse(status=status)

    def JoinRun(self, request: pb.JoinRunRequest, context: grpc.ServicerContext) -> pb.JoinRunResponse:  # noqa: N802
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "nobody joins a fake")

    def GetPolicy(self, request: pb.GetPolicyRequest, context: grpc.ServicerContext) -> pb.GetPolicyResponse:  # noqa: N802
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "a fake has no policy")

    def PushTrajectories(  # noqa: N802
        self, request_iterator: Iterator[pb.PushTrajectoriesRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.PushTrajectoriesResponse]:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "nobody joins a fake")


def main() -> None:
    parser = argparse.ArgumentParser()
    for flag in ("--port", "--seed", "--env"):
        parser.add_argument(flag)
    for flag in ("--address-file", "--run-dir"):
        parser.add_argument(flag, type=Path)
    parser.add_argument("--planted-failure", default="")
    parser.add_argument("--ignore-sigterm", action="store_true")
    parser.add_argument("--die", action="store_true")
    flags = parser.parse_args()
    if flags.die:
        raise SystemExit("the learner's last words")

    stopping = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        if not flags.ignore_sigterm:
            stopping.set()

    signal.signal(signal.SIGTERM, stop)
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
    learner_service_pb2_grpc.add_LearnerServiceServicer_to_server(FakeLearner(flags.planted_failure), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    evaluation = {"wall_seconds": 0.5, "mean_return": -167.6, "best_lap_seconds": None, "clean_fraction": None}
    (flags.run_dir / "evaluations.jsonl").write_text(json.dumps(evaluation) + "\n")
    save_idle_pendulum(flags.run_dir / "best")
    new = flags.address_file.with_suffix(".new")
    new.write_text(json.dumps({"address": f"127.0.0.1:{port}", "pid": os.getpid()}))
    new.replace(flags.address_file)
    while not stopping.wait(0.1):
        pass
    server.stop(0).wait()


if __name__ == "__main__":
    main()
