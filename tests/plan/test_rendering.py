"""Overlays as kustomize renders them, over the small base and over the project's own."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.plan.base import BASE as PROJECT_BASE
from deploy.plan.base import read_base
from deploy.plan.demand import Kind
from deploy.plan.manifests import Pods
from deploy.plan.overlay import write_overlay
from tests.plan.builders import BASE
from tests.plan.plans import GOLDEN

PODS = Pods(run="kestrel", tolerated=("nvidia.com/gpu",), runtime_class="nvidia")
BASES = [BASE, PROJECT_BASE]


def program(name: str) -> str:
    """The program of the environment that the tests run in, else of the machine."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    assert found, f"{name} is not installed; rendering needs it"
    return found


def rendered(folder: Path) -> list[dict[str, Any]]:
    done = subprocess.run(
        [program("kubectl"), "kustomize", str(folder)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


@pytest.mark.parametrize("base", BASES, ids=["small", "project"])
@pytest.mark.parametrize("name", GOLDEN)
def test_it_renders_and_nobody_selects_anothers_pods(name: str, base: Path, tmp_path: Path) -> None:
    plan = GOLDEN[name]
    write_overlay(tmp_path / "kestrel", plan, read_base(base), PODS)
    manifests = rendered(tmp_path / "kestrel")

    workloads = [manifest for manifest in manifests if manifest["kind"] in {"Deployment", "StatefulSet"}]
    selectors = []
    for workload in workloads:
        selector = workload["spec"]["selector"]["matchLabels"]
        labels = workload["spec"]["template"]["metadata"]["labels"]
        assert selector["distributed-l2r/run"] == "kestrel"
        assert selector.items() <= labels.items()
        assert labels["app.kubernetes.io/name"] == "distributed-l2r"
        assert workload["metadata"]["name"].startswith("kestrel-")
        selectors.append((selector, labels))
        (flags,) = (
            variable["valueFrom"]["configMapKeyRef"]["name"]
            for variable in workload["spec"]["template"]["spec"]["containers"][0]["env"]
            if variable["name"] == "FLAGS"
        )
        assert flags in {manifest["metadata"]["name"] for manifest in manifests if manifest["kind"] == "ConfigMap"}
    for at, (selector, _) in enumerate(selectors):
        assert [other for other, (_, labels) in enumerate(selectors) if selector.items() <= labels.items()] == [at]

    for workload in workloads:
        if workload["kind"] == "Deployment" and workload["spec"]["strategy"].get("type") != "Recreate":
            # Where all places are taken, an update must not wait for one more.
            assert workload["spec"]["strategy"]["rollingUpdate"]["maxSurge"] == 0
    workers = [
        w for w in workloads if w["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"] == "worker"
    ]
    assert sum(worker["spec"]["replicas"] for worker in workers) == plan.demand.workers
    if plan.kind is Kind.SHARED:
        assert [worker["metadata"]["name"] for worker in workers] == ["kestrel-worker"]
        (container,) = workers[0]["spec"]["template"]["spec"]["containers"]
        assert container["resources"]["limits"][plan.resource] == "1"
        (spread,) = workers[0]["spec"]["template"]["spec"]["topologySpreadConstraints"]
        assert spread["labelSelector"]["matchLabels"]["distributed-l2r/run"] == "kestrel"
    else:
        assert "kestrel-worker" not in {worker["metadata"]["name"] for worker in workers}


@pytest.mark.parametrize("name", GOLDEN)
def test_pods_see_the_gpus_of_their_place_alone(name: str, tmp_path: Path) -> None:
    plan = GOLDEN[name]
    write_overlay(tmp_path / "kestrel", plan, read_base(BASE), PODS)
    seen = []
    for workload in rendered(tmp_path / "kestrel"):
        if workload["kind"] not in {"Deployment", "StatefulSet"}:
            continue
        pod = workload["spec"]["template"]["spec"]
        environment = {variable["name"]: variable.get("value") for variable in pod["containers"][0]["env"]}
        visible = environment.get("NVIDIA_VISIBLE_DEVICES")
        limits = pod["containers"][0]["resources"]["limits"]
        requested = [limit for limit in limits if limit.startswith("nvidia.com/")]
        unplaced = "distributed-l2r/unplaced" in pod.get("nodeSelector", {})
        # Whoever neither requests a GPU nor names one, and is not kept Pending, is shown none.
        assert (visible is not None) + bool(requested) + unplaced == 1, workload["metadata"]["name"]
        if visible not in (None, "void"):
            seen += [(pod["nodeSelector"]["kubernetes.io/hostname"], gpu) for gpu in visible.split(",")]
            assert pod["runtimeClassName"] == "nvidia"
            assert pod["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists"}]
    learners = {(plan.learner.node.hostname, str(gpu)) for gpu in range(plan.learner.gpus)} if plan.learner else set()
    assert all(seen.count(place) == 1 for place in learners if plan.kind is Kind.PINNED)
