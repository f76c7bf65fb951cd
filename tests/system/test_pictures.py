"""From pixels through real processes: collected, kept, convolved, published, acted on, evaluated, taken up again.

Critics see the car's whole observation, the policy its camera and speed.
"""

from pathlib import Path

import pytest

from tests.bare_client import eventually
from tests.system.processes import fleet, terminate

pytestmark = pytest.mark.slow

FLAGS = (
    *("--env", "Racetrack-v0", "--env-args", "camera=64", "camera_alone=true", "max_steps=200"),
    *("--evaluation-env-args", "max_steps=50", "--evaluation-episodes", "1"),
    *("--replay-capacity", "8000", "--min-transitions", "200"),
    *("--samples-per-insert-min", "0", "--batch-size", "16", "--encoder-strides", "2", "2", "1", "1"),
    *("--checkpoint-period-seconds", "2"),
)


@pytest.mark.timeout(300)
def test_a_car_is_driven_by_its_camera(tmp_path: Path) -> None:
    run = ("--run-dir", str(tmp_path / "run"))
    with fleet(tmp_path) as processes:
        client = processes.start_learner(*FLAGS, *run)
        workers = [processes.start_worker(), processes.start_worker("--role", "evaluate")]
        eventually(lambda: client.status().updates > 60, "it trains", 120)
        eventually(lambda: client.status().policy_version >= 3, "it publishes", 60)
        eventually(lambda: client.status().HasField("best_evaluation"), "a version is evaluated", 60)
        eventually(lambda: any((tmp_path / "run" / "checkpoints").iterdir()), "a checkpoint is there", 60)
        assert "images camera go through a convolutional encoder" in processes.log("learner")
        before = client.status().updates
        assert processes.learner_process is not None
        terminate(processes.learner_process, 30)
        assert processes.learner_process.returncode == 0, processes.log("learner")

        port = processes.address.rpartition(":")[2]
        client = processes.start_learner(*FLAGS, *run, "--port", port)
        eventually(lambda: client.status().updates > before, "it goes on", 120)
        for worker in workers:
            terminate(worker, 30)
