"""How the service processes start, stop, and refuse."""

import signal
import subprocess
import sys
from pathlib import Path

import grpc
import pytest

from distrib_l2r.v1 import learner_service_pb2 as pb
from distrib_l2r.v1 import learner_service_pb2_grpc as pb_grpc
from tests.bare_client import eventually
from tests.system.processes import end, fleet, status_of, terminate

pytestmark = pytest.mark.slow

COUNTING = ("--env", "tests.fakes:Counting-v0")


def test_sigterm_ends_a_driving_worker_within_5_seconds_and_loses_nothing(tmp_path: Path) -> None:
    with fleet(tmp_path) as processes:
        client = processes.start_learner(*COUNTING, "--env-args", "step_seconds=0.002")
        worker = processes.start_worker()
        eventually(lambda: client.status().transitions > 100, "it drives", 60)
        assert terminate(worker, 10) < 5
        assert worker.returncode == 0, processes.log("worker-1")
        assert "never acknowledged" not in processes.log("worker-1")
        assert not status_of(client, "worker-1").connected


def test_workers_that_leave_while_they_must_wait_lose_nothing(tmp_path: Path) -> None:
    with fleet(tmp_path) as processes:
        # The trainer would need years: workers wait from the slack on.
        balance = ("--samples-per-insert-min", "1e6", "--samples-per-insert-max", "2e6", "--min-transitions", "256")
        client = processes.start_learner(
            *COUNTING, "--env-args", "step_seconds=0.002", "--chunk-length", "16", *balance
        )
        names = [f"worker-{number}" for number in (1, 2, 3)]
        workers = {name: processes.start_worker() for name in names}
        for name in names:
            eventually(lambda name=name: "not stepping for" in processes.log(name), f"{name} waits", 120)  # type: ignore[misc]
        before = {name: status_of(client, name).committed_sequence for name in names}
        for name, worker in workers.items():
            terminate(worker, 60)
            assert worker.returncode == 0, processes.log(name)
            assert "never acknowledged" not in processes.log(name)
            handed_over = status_of(client, name).committed_sequence - before[name]
            # The buffer's 16, the one that waited for room and, perhaps, one with the steps under way.
            assert handed_over in (17, 18)


def test_sigterm_ends_a_worker_within_5_seconds_while_its_learner_is_away(tmp_path: Path) -> None:
    with fleet(tmp_path) as processes:
        client = processes.start_learner(*COUNTING)
        worker = processes.start_worker()
        eventually(lambda: client.status().transitions > 100, "it drives", 60)
        assert processes.learner_process is not None
        end(processes.learner_process)
        eventually(lambda: "is away" in processes.log("worker-1"), "the worker says so")
        assert terminate(worker, 10) < 5
        assert worker.returncode == 0


def test_sigterm_ends_a_worker_within_5_seconds_while_its_simulator_hangs(tmp_path: Path) -> None:
    with fleet(tmp_path) as processes:
        processes.start_learner("--env", "tests.fakes:Hanging-v0")
        worker = processes.start_worker()
        eventually(lambda: "the planted hang" in processes.log("worker-1"), "it drives", 60)
        assert terminate(worker, 10) < 5
        assert worker.returncode == 1
        assert "did not return" in processes.log("worker-1")


def test_a_killed_learner_is_replaced_and_workers_carry_on(tmp_path: Path) -> None:
    with fleet(tmp_path) as processes:
        client = processes.start_learner(*COUNTING, "--env-args", "step_seconds=0.002")
        port = processes.address.rpartition(":")[2]
        processes.start_worker()
        eventually(lambda: client.status().transitions > 100, "it drives", 60)
        assert processes.learner_process is not None
        processes.learner_process.send_signal(signal.SIGKILL)
        processes.learner_process.wait(10)
        client = processes.start_learner(*COUNTING, "--port", port)
        eventually(lambda: client.status().transitions > 100, "it drives for the successor", 60)


def test_a_taken_port_is_one_sentence_and_exit_status_1(tmp_path: Path) -> None:
    with fleet(tmp_path) as processes:
        processes.start_learner(*COUNTING)
        port = processes.address.rpartition(":")[2]
        second = processes.start("second", "-m", "learner_service", "--port", port)
        assert second.wait(60) == 1
        last = processes.log("second").splitlines()[-1]
        assert last == f"learner: cannot listen on 127.0.0.1:{port}; free the port or choose another with --port"


def test_a_dead_trainer_ends_the_learner_with_its_reason(tmp_path: Path) -> None:
    with fleet(tmp_path) as processes:
        processes.start_learner_program("-m", "tests.system.dying_learner")
        worker = processes.start_worker()
        assert processes.learner_process is not None
        assert processes.learner_process.wait(60) == 1
        assert processes.log("learner").splitlines()[-1] == "learner: the planted failure"
        assert worker.poll() is None, "the worker waits for a successor"


def test_the_worker_imports_no_torch() -> None:
    script = "import sys, worker_service.__main__, worker_service.drive, worker_service.simulators.racetrack;"
    script += "sys.exit(any(name.partition('.')[0] == 'torch' for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_an_unknown_environment_ends_the_worker_with_a_sentence(tmp_path: Path) -> None:
    with fleet(tmp_path) as processes:
        processes.start_learner("--env", "Nowhere-v0")
        worker = processes.start_worker()
        assert worker.wait(60) == 1
        assert "Nowhere" in processes.log("worker-1").splitlines()[-1]


def test_mutual_tls_and_a_token_let_in_only_who_has_them(tmp_path: Path) -> None:
    authority, key = tmp_path / "ca.pem", tmp_path / "key.pem"
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    names = ("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    files = ("-keyout", str(key), "-out", str(authority))
    subprocess.run([*request, *names, *files], check=True, capture_output=True)
    token = tmp_path / "token"
    token.write_text("correct horse\n")
    pair = ("--tls-certificate", str(authority), "--tls-key", str(key))
    with fleet(tmp_path) as processes:
        processes.start_learner(*COUNTING, *pair, "--tls-client-ca", str(authority), "--token-file", str(token))
        credentials = grpc.ssl_channel_credentials(authority.read_bytes(), key.read_bytes(), authority.read_bytes())
        with grpc.secure_channel(processes.address, credentials) as channel:
            stub = pb_grpc.LearnerServiceStub(channel)
            with pytest.raises(grpc.RpcError) as refused:
                stub.GetRunStatus(pb.GetRunStatusRequest(), timeout=10)
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
            metadata = (("authorization", "Bearer correct horse"),)

            def connected() -> int:
                answer = stub.GetRunStatus(pb.GetRunStatusRequest(), timeout=10, metadata=metadata)
                return sum(worker.connected for worker in answer.status.workers)

            processes.start_worker("--tls-ca", str(authority), *pair, "--token-file", str(token))
            eventually(lambda: connected() == 1, "the one with all credentials works", 60)
            no_certificate = processes.start_worker("--tls-ca", str(authority), "--token-file", str(token))
            no_token = processes.start_worker("--tls-ca", str(authority), *pair)
            assert no_token.wait(60) == 1
            assert "UNAUTHENTICATED" in processes.log("worker-3")
            eventually(lambda: "is away" in processes.log("worker-2"), "the handshake fails", 60)
            assert no_certificate.poll() is None, "a broken handshake may be the network's: it keeps trying"
            assert connected() == 1
