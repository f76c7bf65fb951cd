"""What is written: golden files, and the rules of writing."""

import copy
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.plan.base import read_base
from deploy.plan.demand import Kind, LearnerShares, Requests
from deploy.plan.manifests import Pods, pinned_workers
from deploy.plan.overlay import write_overlay
from deploy.plan.placement import place
from deploy.plan.plan import Plan
from deploy.plan.plan_error import PlanError
from deploy.plan.run_name import place_name
from tests.plan.builders import BASE, FOLDER, demand, node
from tests.plan.plans import GOLDEN, LEARNER, PINNED, SHARED, WORKER

PODS = Pods(run="kestrel", tolerated=("nvidia.com/gpu",), runtime_class=None)
"""As in the golden overlays, which WRITE_GOLDEN=1 in the environment of this test writes anew."""


def written(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("name", GOLDEN)
def test_the_overlay_is_the_golden_one(name: str, tmp_path: Path) -> None:
    # From FOLDER/golden/NAME the base is two folders up, as it is from deploy/runs/NAME.
    shutil.copytree(BASE, tmp_path / "base")
    write_overlay(tmp_path / "golden" / name, GOLDEN[name], read_base(tmp_path / "base"), PODS)
    golden = FOLDER / "golden" / name
    if os.environ.get("WRITE_GOLDEN"):
        shutil.rmtree(golden, ignore_errors=True)
        shutil.copytree(tmp_path / "golden" / name, golden)
    assert written(tmp_path / "golden" / name) == written(golden)


@pytest.mark.parametrize("name", GOLDEN)
def test_every_file_is_yaml_without_aliases(name: str, tmp_path: Path) -> None:
    write_overlay(tmp_path, GOLDEN[name], read_base(BASE), PODS)
    files = written(tmp_path)
    assert {"kustomization.yaml", "placement/kustomization.yaml", "placement/learner.yaml"} <= set(files)
    for text in files.values():
        documents = list(yaml.safe_load_all(text))
        assert documents
        assert all(documents)
        assert not any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader))


def test_a_pinned_deployment_is_the_bases_but_for_its_place(tmp_path: Path) -> None:
    base = read_base(BASE)
    before = copy.deepcopy(base.worker)
    plan = place(PINNED, demand(8, worker=WORKER, learner=LEARNER))
    deployments = pinned_workers(plan, base, PODS)
    assert base.worker == before
    for deployment in deployments:
        place_label = deployment["metadata"]["labels"].pop("distributed-l2r/place")
        assert deployment["metadata"]["name"] == f"worker-{place_label}"
        assert deployment["spec"]["selector"]["matchLabels"].pop("distributed-l2r/place") == place_label
        assert deployment["spec"]["template"]["metadata"]["labels"].pop("distributed-l2r/place") == place_label
        pod = deployment["spec"]["template"]["spec"]
        assert pod.pop("nodeSelector")["kubernetes.io/hostname"] in {node.hostname for node in PINNED}
        assert pod.pop("tolerations")
        names = [variable["name"] for variable in pod["containers"][0]["env"][-2:]]
        assert names == ["NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES"]
        del pod["containers"][0]["env"][-2:]
        assert deployment["spec"].pop("strategy") == {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
        deployment["metadata"]["name"] = "worker"
        deployment["spec"]["replicas"] = before["spec"]["replicas"]
        assert deployment == before


def learner_patch(plan: Plan, tmp_path: Path) -> dict[str, Any]:
    write_overlay(tmp_path, plan, read_base(BASE), PODS)
    operations = yaml.safe_load((tmp_path / "placement/learner.yaml").read_text())
    return {operation["path"]: operation["value"] for operation in operations}


def test_a_learner_that_may_ask_for_one_share_asks_for_one(tmp_path: Path) -> None:
    plan = place(SHARED, demand(3, learner_shares=LearnerShares.ONE))
    limit = "/spec/template/spec/containers/0/resources/limits/nvidia.com~1gpu"
    assert learner_patch(plan, tmp_path)[limit] == "1"


def test_a_learner_on_the_cpu_sees_no_gpu(tmp_path: Path) -> None:
    patch = learner_patch(place(SHARED, demand(3, learner_gpus=0, learner=LEARNER)), tmp_path)
    assert patch == {"/spec/template/spec/containers/0/env/-": {"name": "NVIDIA_VISIBLE_DEVICES", "value": "void"}}


def test_workers_of_shared_gpus_are_kept_to_the_nodes_that_are_theirs(tmp_path: Path) -> None:
    plan = place([*SHARED, node("whole", 1), node("x", 2, replicas=3, trouble=("cordoned",))], demand(3))
    write_overlay(tmp_path, plan, read_base(BASE), PODS)
    operations = yaml.safe_load((tmp_path / "placement/worker.yaml").read_text())
    (affinity,) = (operation["value"] for operation in operations if operation["path"].endswith("/affinity"))
    (term,) = affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert term["matchExpressions"][0]["values"] == ["gpu-a", "gpu-b", "gpu-c"]


def test_planning_anew_keeps_the_users_file_and_names_what_is_gone(tmp_path: Path) -> None:
    base = read_base(BASE)
    pinned = place(PINNED, demand(8))
    assert write_overlay(tmp_path, pinned, base, PODS) == []
    own = tmp_path / "kustomization.yaml"
    own.write_text(own.read_text().replace("newTag: dev", "newTag: v7"))
    edited = own.read_text()

    gone = write_overlay(tmp_path, place(PINNED[:1], demand(2)), base, PODS)
    assert gone == [f"kestrel-worker-{place_name('gpu-b.example.org', gpu)}" for gpu in (0, 1)]
    gone = write_overlay(tmp_path, place(SHARED, demand(8)), base, PODS)
    assert gone == ["kestrel-worker-gpu-a-gpu1"]
    assert not (tmp_path / "placement/workers.yaml").exists()
    gone = write_overlay(tmp_path, pinned, base, PODS)
    assert gone == ["kestrel-worker"]
    assert not (tmp_path / "placement/worker.yaml").exists()
    assert own.read_text() == edited


def test_a_run_that_had_no_placement_had_the_bases_deployment(tmp_path: Path) -> None:
    own = tmp_path / "kustomization.yaml"
    own.write_text("namePrefix: kestrel-\ncomponents: [../../components/tls, ./placement/]\n")
    assert write_overlay(tmp_path, place(PINNED, demand(2)), read_base(BASE), PODS) == ["kestrel-worker"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("namePrefix: other-\ncomponents: [placement]", "has the namePrefix 'other-'; that of run kestrel is kestrel-"),
        ("namePrefix: kestrel-", 'its components must name it: add the line "- placement"'),
        (
            "namePrefix: kestrel-\ncomponents: [../../components/gpu, placement]",
            "has components/gpu, which gives the learner a GPU as the placement does",
        ),
        ("namePrefix: [", "is no YAML"),
        ("", "has the namePrefix None"),
    ],
)
def test_a_folder_that_does_not_take_the_placement_is_left_alone(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text(text)
    with pytest.raises(PlanError) as caught:
        write_overlay(tmp_path, GOLDEN["shared"], read_base(BASE), PODS)
    assert message in str(caught.value)
    assert written(tmp_path) == {"kustomization.yaml": text}


def test_requests_above_the_limits_raise_them(tmp_path: Path) -> None:
    patch = learner_patch(place(PINNED, demand(3, learner=Requests(6000, 8 << 30))), tmp_path)
    resources = "/spec/template/spec/containers/0/resources"
    assert patch[f"{resources}/requests/cpu"] == patch[f"{resources}/limits/cpu"] == "6"
    assert patch[f"{resources}/requests/memory"] == patch[f"{resources}/limits/memory"] == "8Gi"


def test_nodes_of_similar_names_have_different_deployments() -> None:
    names = ["a.b", "a-b", "A-b", "a_b", f"{'x' * 60}-1", f"{'x' * 60}-2"]
    plan = place([node(name, 1) for name in names], demand(6, learner_gpus=0), Kind.PINNED)
    deployments = [str(entry["metadata"]["name"]) for entry in pinned_workers(plan, read_base(BASE), PODS)]
    assert len(set(deployments)) == len(names)
    assert all(len(name) <= 47 for name in deployments)
