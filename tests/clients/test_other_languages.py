"""The contract is enough to write a client: one in JavaScript, which shares no code with the project."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from learner_service import AsyncLearningNode, LearnerConfig
from learner_service.config import TransportConfig
from tests.fakes import CountingPolicy

SOURCE = Path(__file__).parent / "node"
PROTOS = Path(__file__).parents[2] / "protos"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed: the JavaScript client is NOT tested"),
]


def test_a_client_in_javascript_joins_pushes_and_reads_the_policy(tmp_path: Path) -> None:
    directory = tmp_path / "node"
    shutil.copytree(SOURCE, directory, ignore=shutil.ignore_patterns("node_modules"))
    subprocess.run(["npm", "ci", "--silent", "--no-audit"], cwd=directory, check=True, timeout=120)  # noqa: S607
    with AsyncLearningNode(CountingPolicy(), LearnerConfig(transport=TransportConfig(port=0))) as learner:
        client = subprocess.run(
            ["node", "client.js", learner.address, str(PROTOS)],  # noqa: S607
            cwd=directory,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert client.returncode == 0, client.stderr
        answer = json.loads(client.stdout)
        assert answer["role"] == "ROLE_COLLECT"
        assert answer["committed"] == 1
        assert answer["weights"] == ["actor.linear.weight", "actor.linear.bias"]
        training = learner.run.training
        assert training is not None
        np.testing.assert_array_equal(training.ring.observation["observation"][:5], np.arange(15).reshape(5, 3))
        np.testing.assert_array_equal(training.ring.reward[:4], [1, 2, 3, 4])
