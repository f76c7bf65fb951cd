"""Every overlay and the combinations of components render, and Kubernetes knows every field of it."""

import itertools
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import yaml

from tests.deploy_manifests import custom_resources
from tests.deploy_manifests.manifests import AUTOSCALED, COMPONENTS, DEPLOY, OVERLAYS, Manifest, render

VERSIONS = ("1.35", "1.36", "1.37")
FOLDERS = [*(f"overlays/{overlay}" for overlay in OVERLAYS), "namespace", "overlays/monitoring", "monitoring/operator"]
COMBINATIONS = [
    (),
    *((component,) for component in COMPONENTS),
    *(pair for pair in itertools.combinations(COMPONENTS, 2) if pair != AUTOSCALED),
    *(tuple(component for component in COMPONENTS if component != other) for other in AUTOSCALED),
]


def assert_valid(manifests: list[Manifest], version: str) -> None:
    for manifest in manifests:
        if custom_resources.is_custom(manifest):
            custom_resources.validate(manifest, version)
        else:
            kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("folder", FOLDERS)
def test_manifests_are_valid_in_the_last_three_versions_of_kubernetes(folder: str, version: str) -> None:
    manifests = render(DEPLOY / folder)
    assert manifests
    assert_valid(manifests, version)


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_field_that_nobody_knows_is_noticed(folder: str) -> None:
    for manifest in (each for each in render(DEPLOY / folder) if "spec" in each):
        manifest["spec"]["replicaz"] = 1
        with pytest.raises(jsonschema.ValidationError):
            assert_valid([manifest], VERSIONS[-1])


def test_a_kind_without_a_schema_is_not_passed_over() -> None:
    with pytest.raises(kubernetes_validate.SchemaNotFoundError):
        assert_valid([{"apiVersion": "example.com/v1", "kind": "Unknown", "metadata": {"name": "a"}}], VERSIONS[-1])


@pytest.mark.parametrize("components", COMBINATIONS, ids=lambda components: "+".join(components) or "base")
def test_components_combine(components: tuple[str, ...], tmp_path: Path) -> None:
    # Kustomize reads absolute paths of resources relative to the file alone, hence the links.
    for name in ("base", "components"):
        (tmp_path / name).symlink_to(DEPLOY / name)
    folder = tmp_path / "run"
    folder.mkdir()
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": ["../base"],
        "components": [f"../components/{component}" for component in components],
        # As overlays/keda has it; where there is no ScaledObject it finds nothing to patch.
        "patches": [
            {
                "target": {"kind": "ScaledObject"},
                "patch": '- {op: replace, path: /spec/triggers/0/metadata/serverAddress, value: "http://prometheus"}',
            }
        ],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    assert_valid(render(folder), VERSIONS[-1])


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_overlays_differ_in_nothing_but_components_comment_and_number_of_workers(overlay: str) -> None:
    def common(name: str) -> Manifest:
        kustomization: Manifest = yaml.safe_load((DEPLOY / "overlays" / name / "kustomization.yaml").read_text())
        del kustomization["components"]
        # An autoscaler's limits stand in a patch.
        who_counts = kustomization.pop("patches" if name in AUTOSCALED else "replicas")
        assert len(who_counts) == 1
        return kustomization

    assert common(overlay) == common("local")


def test_both_autoscalers_behave_the_same() -> None:
    (kubernetes,) = (
        each for each in render(DEPLOY / "overlays/autoscale") if each["kind"] == "HorizontalPodAutoscaler"
    )
    (keda,) = (each for each in render(DEPLOY / "overlays/keda") if each["kind"] == "ScaledObject")
    assert keda["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"] == kubernetes["spec"]["behavior"]
    (metric,), (trigger,) = kubernetes["spec"]["metrics"], keda["spec"]["triggers"]
    target = metric["external"]["target"]
    assert (trigger["metricType"], trigger["metadata"]["threshold"]) == (target["type"], target["value"])
    for mine, other in (("minReplicaCount", "minReplicas"), ("maxReplicaCount", "maxReplicas")):
        assert keda["spec"][mine] == kubernetes["spec"][other]
