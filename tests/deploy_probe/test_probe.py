"""The probe against real learners, alive, waiting, frozen and gone, and against real connections."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.probe.__main__ import main
from deploy.probe.connection import connected
from learner_service import AsyncLearningNode
from tests.bare_client import BareClient, eventually
from tests.fakes import CountingPolicy
from tests.learner.settings import CONFIG
from tests.system.processes import fleet

pytestmark = pytest.mark.usefixtures("fake_actor_exported_once")


def ask(question: str, address: str, **more: str) -> int:
    return main([question], {"PROBE_PORT": address.rpartition(":")[2], "PROBE_DEADLINE_SECONDS": "10", **more})


def test_a_learner_without_a_policy_is_alive_and_does_not_serve(capsys: pytest.CaptureFixture[str]) -> None:
    with AsyncLearningNode(config=CONFIG) as node:
        assert ask("alive", node.address) == 0
        assert ask("serving", node.address) == 1
    assert "no policy yet" in capsys.readouterr().err


def test_a_learner_with_a_policy_serves() -> None:
    with AsyncLearningNode(CountingPolicy(), CONFIG) as node:
        eventually(lambda: ask("serving", node.address) == 0, "the first version is published")
        assert ask("alive", node.address) == 0


def test_nobody_on_the_port_is_not_alive(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert ask("alive", f"127.0.0.1:{port}") == 1
    assert f"the learner on port {port} does not answer: UNAVAILABLE" in capsys.readouterr().err


@pytest.mark.slow
def test_a_frozen_learner_is_not_alive(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with fleet(tmp_path) as processes:
        processes.start_learner()
        assert ask("alive", processes.address) == 0
        assert processes.learner_process is not None
        os.kill(processes.learner_process.pid, signal.SIGSTOP)
        assert ask("alive", processes.address, PROBE_DEADLINE_SECONDS="2") == 1
        assert "DEADLINE_EXCEEDED" in capsys.readouterr().err
        os.kill(processes.learner_process.pid, signal.SIGCONT)
        assert ask("alive", processes.address) == 0


@pytest.mark.slow
def test_a_learner_with_tls_and_a_token_is_asked_by_the_name_of_its_certificate(tmp_path: Path) -> None:
    certificate, key, token = tmp_path / "tls.crt", tmp_path / "tls.key", tmp_path / "token"
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=kestrel-learner"]
    names = ("-addext", "subjectAltName=DNS:kestrel-learner")
    subprocess.run([*request, *names, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    token.write_text("correct horse\n")
    with fleet(tmp_path) as processes:
        files = ("--tls-certificate", str(certificate), "--tls-key", str(key), "--token-file", str(token))
        address = tmp_path / "address.json"
        # It serves under a name that is nobody's here, so that only the file tells when.
        process = processes.start(
            "learner", "-m", "learner_service", "--port", "0", *files, "--address-file", str(address)
        )
        eventually(lambda: address.exists() or process.poll() is not None, "the learner serves", 60)
        served = json.loads(address.read_text())["address"]
        trust = {"PROBE_TLS_CA": str(certificate), "PROBE_TLS_NAME": "kestrel-learner"}
        assert ask("alive", served, **trust) == 0
        assert ask("alive", served, PROBE_TLS_CA=str(certificate)) == 1, "127.0.0.1 is no name of the certificate"
        assert ask("alive", served) == 1, "it does not speak in the clear"


def test_a_worker_is_connected_while_its_connection_stands(capsys: pytest.CaptureFixture[str]) -> None:
    with AsyncLearningNode(CountingPolicy(), CONFIG) as node:
        with BareClient(node.address) as client:
            client.status()
            assert ask("connected", node.address) == 0
        eventually(lambda: ask("connected", node.address) == 1, "the connection is gone")
    assert "no connection to a learner's port" in capsys.readouterr().err


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_a_connection_that_the_other_side_has_closed_does_not_count(family: socket.AddressFamily, host: str) -> None:
    try:
        server = socket.create_server((host, 0), family=family)
    except OSError:
        pytest.skip(f"this machine has no {host}")
    with server:
        port = server.getsockname()[1]
        assert not connected(port), "listening is not being connected"
        with socket.create_connection((host, port)):
            accepted, _ = server.accept()
            assert connected(port)
            accepted.close()
            eventually(lambda: not connected(port), "the kernel has seen the end of the connection")


@pytest.mark.parametrize(("question", "strangers"), [("connected", {"grpc", "numpy", "torch"}), ("alive", {"torch"})])
def test_a_probe_imports_little(question: str, strangers: set[str]) -> None:
    program = f"import sys; from deploy.probe.__main__ import main; main(['{question}'], {{'PROBE_PORT': '1'}})"
    command = [sys.executable, "-c", f"{program}; print(*sys.modules)"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert not strangers & set(done.stdout.split())


def test_an_unknown_question_is_answered_with_those_that_are_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["well"], {}) == 2
    assert "connected  is the worker" in capsys.readouterr().err
