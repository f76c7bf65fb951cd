"""The README's Python runs as written."""

import re
import socket
from pathlib import Path

import pytest

from distrib_l2r.limits import DEFAULT_PORT
from tests.bare_client import BareClient, eventually
from tests.system.processes import fleet, terminate

pytestmark = pytest.mark.slow

README = Path(__file__).parents[2] / "README.md"


def snippets() -> list[str]:
    return re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


def port_is_free() -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", DEFAULT_PORT)) != 0


@pytest.mark.skipif(not port_is_free(), reason=f"port {DEFAULT_PORT} is taken: the README's snippets are NOT tested")
def test_the_two_usage_snippets_train_together(tmp_path: Path) -> None:
    learner_code, worker_code = snippets()
    assert "AsyncLearningNode(policy=my_policy).serve_forever()" in learner_code
    assert "AsyncWorker(learner_address=" in worker_code
    with fleet(tmp_path) as processes:
        learner = processes.start("learner", "-c", learner_code)
        worker = processes.start("worker", "-c", worker_code)
        with BareClient(f"localhost:{DEFAULT_PORT}") as client:
            eventually(lambda: not port_is_free() or learner.poll() is not None, "the learner serves", 60)
            assert learner.poll() is None, processes.log("learner")
            eventually(lambda: client.status().updates > 10, "they train together", 120)
        assert terminate(worker, 10) < 5
        terminate(learner, 10)
        assert (worker.returncode, learner.returncode) == (0, 0)
