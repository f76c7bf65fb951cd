"""Every overlay and every combination of components renders, and Kubernetes knows every field of it."""

import itertools
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from tests.deploy_manifests.manifests import COMPONENTS, DEPLOY, OVERLAYS, Manifest, render

VERSIONS = ("1.35", "1.36", "1.37")
FOLDERS = [*(f"overlays/{overlay}" for overlay in OVERLAYS), "namespace"]


def assert_valid(manifests: list[Manifest], version: str) -> None:
    for manifest in manifests:
        kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("folder", FOLDERS)
def test_manifests_are_valid_in_the_last_three_versions_of_kubernetes(folder: str, version: str) -> None:
    manifests = render(DEPLOY / folder)
    assert manifests
    assert_valid(manifests, version)


def test_a_field_that_kubernetes_does_not_know_is_noticed() -> None:
    manifests = render(DEPLOY / "overlays" / "local")
    manifests[-1]["spec"]["replicaz"] = 1
    with pytest.raises(kubernetes_validate.ValidationError):
        assert_valid(manifests, VERSIONS[-1])


@pytest.mark.parametrize(
    "components",
    [pair for size in range(len(COMPONENTS) + 1) for pair in itertools.combinations(COMPONENTS, size)],
    ids=lambda components: "+".join(components) or "base",
)
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
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    assert_valid(render(folder), VERSIONS[-1])


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_overlays_differ_in_nothing_but_components_comment_and_number_of_workers(overlay: str) -> None:
    def common(name: str) -> Manifest:
        kustomization: Manifest = yaml.safe_load((DEPLOY / "overlays" / name / "kustomization.yaml").read_text())
        del kustomization["components"], kustomization["replicas"][0]["count"]
        return kustomization

    assert common(overlay) == common("local")
