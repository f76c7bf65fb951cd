"""What the planner lays onto GPUs that a device plugin shares, scheduled by a real Kubernetes on stand-in GPUs."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy_manifests.manifests import ROOT
from tests.kubernetes.cluster import ClusterRun, kubectl
from tests.testbed.commands import run, wait_for
from tests.testbed.tools import tool

pytestmark = [pytest.mark.slow, pytest.mark.kubernetes, pytest.mark.timeout(600)]

GPUS, SHARES, WORKERS = 2, 3, 8
SCHEDULED_SECONDS = 120.0


@pytest.fixture
def nodes(cluster: Path, tmp_path: Path) -> Iterator[Path]:
    """The cluster's nodes as kubectl lists them, while its GPUs are offered."""
    run(tool("cluster"), "gpus", str(GPUS), str(SHARES))
    try:
        wait_for("the shares are offered", lambda: allocatable() == [str(GPUS * SHARES)], 60)
        path = tmp_path / "nodes.json"
        path.write_text(kubectl("get", "nodes", "--output=json"))
        yield path
    finally:
        run(tool("cluster"), "gpus", "0")


def allocatable() -> list[str]:
    listed = json.loads(kubectl("get", "nodes", "--output=json"))["items"]
    return [node["status"]["allocatable"].get("nvidia.com/gpu", "0") for node in listed]


def plan(nodes: Path, plover: ClusterRun, *more: str) -> subprocess.CompletedProcess[str]:
    """The node's labels do not say how often its GPUs are shared, so the flag does."""
    deploy = plover.folder / "deploy"
    flags = ["--nodes", nodes, "--run", plover.name, "--workers", WORKERS, "--workers-per-gpu", SHARES]
    flags += ["--replicas", SHARES, "--learner-gpus", 0, "--learner-cpu", "250m", "--learner-memory", "1Gi"]
    flags += ["--worker-cpu", "50m", "--worker-memory", "256Mi", "--base", deploy / "base", *more]
    return subprocess.run(
        [sys.executable, "-m", "deploy.plan", *map(str, flags)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def phases(plover: ClusterRun) -> list[str]:
    return sorted(pod["status"]["phase"] for pod in plover.pods("worker"))


def test_eight_workers_do_not_fit_six_places_and_forced_two_stay_pending(
    cluster: Path, nodes: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    plover = ClusterRun("plover", cluster, tmp_path_factory.mktemp("volumes"))
    plover.volumes.parent.parent.chmod(0o755)
    plover.offer_volume()
    refused = plan(nodes, plover)
    print(refused.stderr)
    assert refused.returncode == 1
    assert "8 workers" in refused.stderr
    assert "6" in refused.stderr
    assert not (cluster / "deploy/runs/plover").exists()
    forced = plan(nodes, plover, "--force")
    print(forced.stdout)
    assert forced.returncode == 0, forced.stderr
    plover.edit("components:\n", "components:\n  - ../../components/single-node\n")
    plover.make("k8s-apply")
    places = ["Pending"] * (WORKERS - GPUS * SHARES) + ["Running"] * (GPUS * SHARES)
    wait_for("every place is taken", lambda: phases(plover) == places, SCHEDULED_SECONDS)
    waiting = [pod for pod in plover.pods("worker") if pod["status"]["phase"] == "Pending"]
    reasons = [condition["message"] for pod in waiting for condition in pod["status"]["conditions"]]
    assert all("nvidia.com/gpu" in reason for reason in reasons), reasons
    status = plover.view.wait_training(GPUS * SHARES)
    assert status.run_id == "plover"
    assert phases(plover) == places, "nobody gets a place that is not there"
    plover.make("k8s-delete")
    wait_for("its pods are gone", lambda: not plover.pods("worker") and not plover.pods("learner"), 120)
