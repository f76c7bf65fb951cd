"""The manifests that an overlay is laid over."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from deploy.plan.demand import Requests
from deploy.plan.plan_error import PlanError
from deploy.plan.quantity import memory_bytes, millicores

BASE: Final = Path(__file__).parents[1] / "base"
"""That of a checkout of the project."""


@dataclass(frozen=True)
class Base:
    """What planning takes from a base."""

    folder: Path
    learner: dict[str, Any]
    """The StatefulSet, as in its file."""
    worker: dict[str, Any]
    """The Deployment of workers, as in its file."""
    evaluator: dict[str, Any]
    """The Deployment, as in its file."""


def read_base(folder: Path) -> Base:
    """Reads the folder's manifests.

    Raises:
        PlanError: it is not there, or lacks a workload.
    """
    if not (folder / "kustomization.yaml").is_file():
        raise PlanError(
            f"base {folder} has no kustomization.yaml; it must be the project's folder deploy/base: run from a "
            "checkout of the project, or name the folder with --base"
        )
    documents: dict[tuple[str, str], dict[str, Any]] = {}
    for path in sorted(folder.glob("*.yaml")):
        try:
            for document in yaml.safe_load_all(path.read_text()):
                if isinstance(document, dict) and isinstance(document.get("metadata"), dict):
                    documents[str(document.get("kind")), str(document["metadata"].get("name"))] = document
        except yaml.YAMLError as error:
            raise PlanError(f"{path} is no YAML: {' '.join(str(error).split())}") from error
    workloads = []
    for kind, name in (("StatefulSet", "learner"), ("Deployment", "worker"), ("Deployment", "evaluator")):
        if (kind, name) not in documents:
            raise PlanError(f"base {folder} has no {kind} {name}; it needs one: name another folder with --base")
        workloads.append(documents[kind, name])
        try:
            container_of(workloads[-1])
        except (KeyError, IndexError, TypeError) as error:
            raise PlanError(f"the {kind} {name} of base {folder} has no container; it needs one: correct it") from error
    return Base(folder, *workloads)


def requests_of(workload: dict[str, Any], *, cpu: str | None = None, memory: str | None = None) -> Requests:
    """What a pod of the workload reserves, with what is asked for instead.

    Raises:
        PlanError: a quantity is none.
    """
    asked = container_of(workload).get("resources", {}).get("requests", {})
    where = f"{workload['metadata']['name']}'s request for"
    return Requests(
        millicores(asked.get("cpu", 0) if cpu is None else cpu, f"the {where} CPU"),
        memory_bytes(asked.get("memory", 0) if memory is None else memory, f"the {where} memory"),
    )


def container_of(workload: dict[str, Any]) -> dict[str, Any]:
    """The only container of a workload's pods."""
    container: dict[str, Any] = workload["spec"]["template"]["spec"]["containers"][0]
    return container
