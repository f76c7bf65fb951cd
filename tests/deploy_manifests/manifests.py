"""The manifests as the tests see them: rendered by kustomize, parsed, and asked for what matters."""

import copy
import functools
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import tyro
import yaml

from learner_service.config import LearnerConfig
from worker_service.config import WorkerConfig

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
AUTOSCALED = ("autoscale", "keda")
"""Overlays, and components of the same names, that leave the number of workers to an autoscaler."""
OVERLAYS = sorted({path.name for path in (DEPLOY / "overlays").iterdir()} - {"monitoring"})
"""Of a run."""
COMPONENTS = sorted(path.name for path in (DEPLOY / "components").iterdir())
RUN_LABEL = "distributed-l2r/run"

Manifest: TypeAlias = dict[str, Any]


def program(name: str) -> str:
    """The program of the environment that the tests run in, else of the machine."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    assert found, f"{name} is not installed; it comes with the extra dev: make setup"
    return found


def render(folder: Path) -> list[Manifest]:
    """The folder's manifests, which kustomize makes once for all tests."""
    return copy.deepcopy(_rendered(folder))


@functools.cache
def _rendered(folder: Path) -> list[Manifest]:
    done = subprocess.run([program("kubectl"), "kustomize", str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return documents(done.stdout)


def documents(text: str) -> list[Manifest]:
    return list(yaml.load_all(text, yaml.CSafeLoader))


@dataclass(frozen=True)
class Workload:
    """A Deployment or StatefulSet."""

    manifest: Manifest

    @property
    def name(self) -> str:
        return str(self.manifest["metadata"]["name"])

    @property
    def component(self) -> str:
        return str(self.pod_labels["app.kubernetes.io/component"])

    @property
    def pod_labels(self) -> Mapping[str, str]:
        labels: Mapping[str, str] = self.manifest["spec"]["template"]["metadata"]["labels"]
        return labels

    @property
    def pod(self) -> Manifest:
        spec: Manifest = self.manifest["spec"]["template"]["spec"]
        return spec

    @property
    def container(self) -> Manifest:
        (container,) = self.pod["containers"]
        assert isinstance(container, dict)
        return container

    def environment(self, manifests: list[Manifest]) -> dict[str, str]:
        """The container's environment variables, references resolved."""
        values: dict[str, str] = {}
        for variable in self.container["env"]:
            source = variable.get("valueFrom", {})
            if "fieldRef" in source:
                label = source["fieldRef"]["fieldPath"].removeprefix("metadata.labels['").removesuffix("']")
                values[variable["name"]] = self.pod_labels[label]
            elif "configMapKeyRef" in source:
                reference = source["configMapKeyRef"]
                values[variable["name"]] = named(manifests, "ConfigMap", reference["name"])["data"][reference["key"]]
            else:
                values[variable["name"]] = expand(variable["value"], values)
        return values

    def flags(self, manifests: list[Manifest]) -> list[str]:
        """What the service finds on its command line, as the image's `start` puts it together."""
        environment = self.environment(manifests)
        given = [expand(argument, environment) for argument in self.container["args"]]
        return [*given, *environment["FLAGS"].split()]


def workloads(manifests: list[Manifest]) -> list[Workload]:
    return [Workload(manifest) for manifest in manifests if "template" in manifest.get("spec", {})]


def named(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    (found,) = (each for each in manifests if each["kind"] == kind and each["metadata"]["name"] == name)
    return found


def of_kind(manifests: list[Manifest], kind: str) -> list[Manifest]:
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def expand(text: str, values: Mapping[str, str]) -> str:
    """Kubernetes' own substitution of $(NAME)."""
    for name, value in values.items():
        text = text.replace(f"$({name})", value)
    assert "$(" not in text, f"{text} names a variable that is not set"
    return text


def learner_config(flags: list[str]) -> LearnerConfig:
    """Fails as the learner would if it does not know a flag."""
    return tyro.cli(LearnerConfig, args=flags, config=(tyro.conf.OmitArgPrefixes,))


def worker_config(flags: list[str]) -> WorkerConfig:
    return tyro.cli(WorkerConfig, args=flags)


def services_of_compose() -> dict[str, Manifest]:
    services: dict[str, Manifest] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    return services


def instructions(dockerfile: Path) -> Iterator[tuple[str, str]]:
    """Its instructions in order, as name and text, lines joined."""
    lines = [line for line in dockerfile.read_text().splitlines() if not line.startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if line.strip():
            name, _, text = line.partition(" ")
            yield name, text.strip()


def words(text: str) -> list[str]:
    return shlex.split(text)
