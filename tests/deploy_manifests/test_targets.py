"""Each target works with its own tool alone, and says in one sentence what is missing."""

import shutil
from pathlib import Path

import pytest

from tests.deploy_manifests.manifests import program
from tests.deploy_manifests.runs import copy_of_deploy, make

TOOLS = ("bash", "sh", "make", "awk", "cp", "git", "grep", "ls", "mkdir", "rm", "sed", "test", "xargs")


@pytest.fixture
def bare_path(tmp_path: Path) -> str:
    """A PATH without docker and kubectl."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found, tool
        (folder / tool).symlink_to(found)
    return str(folder)


@pytest.mark.parametrize("target", ["images", "up", "logs", "scale", "down"])
def test_without_docker_targets_of_containers_say_so(target: str, bare_path: str, tmp_path: Path) -> None:
    done = make(copy_of_deploy(tmp_path), target, "WORKERS=2", path=bare_path)
    assert done.returncode != 0
    assert f"make {target}: docker is not installed: " in done.stderr


@pytest.mark.parametrize("target", ["k8s-render", "k8s-apply", "k8s-scale", "k8s-delete"])
def test_without_kubectl_targets_of_kubernetes_say_so(target: str, bare_path: str, tmp_path: Path) -> None:
    done = make(copy_of_deploy(tmp_path), target, "WORKERS=2", path=bare_path)
    assert done.returncode != 0
    assert f"make {target}: kubectl is not installed: " in done.stderr


def test_an_engine_that_does_not_answer_is_told_from_one_that_is_not_there(bare_path: str, tmp_path: Path) -> None:
    docker = Path(bare_path) / "docker"
    docker.write_text("#!/bin/sh\nexit 1\n")
    docker.chmod(0o755)
    done = make(copy_of_deploy(tmp_path), "up", path=bare_path)
    assert "no Docker engine answers" in done.stderr


@pytest.mark.parametrize("target", ["scale", "k8s-scale"])
def test_scaling_wants_a_number(target: str, bare_path: str, tmp_path: Path) -> None:
    done = make(copy_of_deploy(tmp_path), target, path=bare_path)
    assert f"make {target}: the number of workers is missing" in done.stderr


def test_a_profile_that_does_not_exist_is_refused(bare_path: str, tmp_path: Path) -> None:
    done = make(copy_of_deploy(tmp_path), "up", "PROFILE=moon", path=bare_path)
    assert 'make up: PROFILE is "moon"; it must be monitoring or empty' in done.stderr


def test_the_profile_reaches_compose_and_its_containers_end_with_the_others(bare_path: str, tmp_path: Path) -> None:
    docker = Path(bare_path) / "docker"
    docker.write_text('#!/bin/sh\necho "$COMPOSE_PROFILES $*" >> docker.log\n')
    docker.chmod(0o755)
    folder = copy_of_deploy(tmp_path)
    for arguments in (["up"], ["up", "PROFILE=monitoring"], ["down"], ["logs"]):
        assert make(folder, *arguments, path=bare_path).returncode == 0
    told = [line for line in (folder / "docker.log").read_text().splitlines() if "--file" in line]
    assert [line.split(" ")[0] for line in told] == ["", "monitoring", "monitoring", "monitoring"]


def test_rendering_needs_kubectl_alone(bare_path: str, tmp_path: Path) -> None:
    (Path(bare_path) / "kubectl").symlink_to(program("kubectl"))
    done = make(copy_of_deploy(tmp_path), "k8s-render", "RUN=kestrel", path=bare_path)
    assert done.returncode == 0, done.stderr
    assert "kestrel-learner" in done.stdout


def test_help_lists_the_targets(bare_path: str, tmp_path: Path) -> None:
    done = make(copy_of_deploy(tmp_path), "help", path=bare_path)
    for target in ("images", "up", "logs", "scale", "down", "k8s-render", "k8s-apply", "k8s-scale", "k8s-delete"):
        assert f"make {target} " in done.stdout
