"""Fixtures of the testbed, and a cluster with the images in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy_manifests.runs import copy_of_deploy
from tests.kubernetes.cluster import NAMESPACE, fresh_namespace, kubectl, load_images
from tests.testbed.fixtures import engine, images
from tests.testbed.tools import IMAGES, started, tool

__all__ = ["cluster", "engine", "images"]


@pytest.fixture(scope="session")
def cluster(images: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cluster with the images in it; a folder where runs are made."""
    with started("cluster"):
        load_images(tool("cluster"), IMAGES, tmp_path_factory.mktemp("images") / "images.tar")
        fresh_namespace()
        folder = copy_of_deploy(tmp_path_factory.mktemp("deploy"))
        try:
            yield folder
        finally:
            kubectl("delete", "namespace", NAMESPACE, "--timeout=120s", check=False)
            kubectl("delete", "persistentvolume", "--all", "--timeout=60s", check=False)
