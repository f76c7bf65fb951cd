"""The kustomize overlay of a plan, as files.

A run's folder holds `kustomization.yaml`, which is the user's: the run's name, images, flags; and the component
`placement/`, which is the planner's and is replaced whenever the run is planned anew.
"""

import os
from pathlib import Path
from typing import Any, Final

import yaml

from deploy.plan.base import Base
from deploy.plan.demand import Kind
from deploy.plan.manifests import Pods, evaluator_change, learner_change, pinned_workers, shared_worker_change
from deploy.plan.plan import Plan
from deploy.plan.plan_error import PlanError
from deploy.plan.run_name import RUN_LABEL

PLACEMENT: Final = "placement"
KUSTOMIZATION: Final = "kustomization.yaml"
FILES: Final = (KUSTOMIZATION, "learner.yaml", "evaluator.yaml", "worker.yaml", "workers.yaml")
"""All that a placement may consist of."""

_RUN_KUSTOMIZATION: Final = """\
# Run {run}. This file is yours to edit; {placement}/ is the planner's.
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
  - {base}
components:
  # Last, so that no other component takes back what it says.
  - {placement}
# The run's name, three times the same: in names, in every selector, and in the names of Secrets that it mounts.
namePrefix: {run}-
labels:
  - includeSelectors: true
    pairs:
      {label}: {run}
transformers:
  - |-
    apiVersion: builtin
    kind: PrefixTransformer
    metadata:
      name: secrets
    prefix: {run}-
    fieldSpecs:
      - path: spec/template/spec/volumes/secret/secretName
images:
  - name: distributed-l2r/learner
    newTag: dev
  - name: distributed-l2r/worker
    newTag: dev
configMapGenerator:
  - name: flags
    behavior: merge
    literals:
      - LEARNER_FLAGS=--env Racetrack-v0 --env-args track=larkfield
"""


class _Dumper(yaml.SafeDumper):
    """Block style without aliases, sequences indented."""

    def ignore_aliases(self, data: object) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _represent_text)


def placement_files(plan: Plan, base: Base, pods: Pods) -> dict[str, str]:
    """Names and texts of the component's files."""
    patches: list[dict[str, Any]] = [
        {"target": {"kind": "StatefulSet", "name": "learner"}, "path": "learner.yaml"},
        {"target": {"kind": "Deployment", "name": "evaluator"}, "path": "evaluator.yaml"},
    ]
    kustomization: dict[str, Any] = {"apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component"}
    files = {
        "learner.yaml": _text(learner_change(plan, base, pods).json_patch()),
        "evaluator.yaml": _text(evaluator_change(plan, base, pods).json_patch()),
    }
    if plan.kind is Kind.SHARED:
        replicas = {"op": "replace", "path": "/spec/replicas", "value": plan.demand.workers}
        # With every share taken, a pod more than planned would wait for a share that an update never frees.
        update = {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "25%"}}
        strategy = {"op": "add", "path": "/spec/strategy", "value": update}
        files["worker.yaml"] = _text([replicas, strategy, *shared_worker_change(plan, base, pods).json_patch()])
        patches.append({"target": {"kind": "Deployment", "name": "worker"}, "path": "worker.yaml"})
    else:
        deployments = pinned_workers(plan, base, pods)
        if deployments:
            files["workers.yaml"] = "---\n".join(_text(deployment) for deployment in deployments)
            kustomization["resources"] = ["workers.yaml"]
            # What the base gives to its own Deployment.
            kustomization["labels"] = [
                {"includeTemplates": True, "pairs": {"app.kubernetes.io/name": "distributed-l2r"}}
            ]
        removed = {"$patch": "delete", "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "worker"}}
        patches.append({"patch": _text(removed)})
    kustomization["patches"] = patches
    files[KUSTOMIZATION] = _text(kustomization)
    header = "# Written by python -m deploy.plan, which replaces it: plan anew rather than edit.\n"
    return {name: header + text for name, text in sorted(files.items())}


def write_overlay(folder: Path, plan: Plan, base: Base, pods: Pods) -> list[str]:
    """Writes the folder's placement, and its kustomization.yaml if there is none.

    Returns:
        Names of Deployments of an earlier placement that are not of this one: `kubectl apply` leaves them running.

    Raises:
        PlanError: the folder's kustomization.yaml is another run's, or does not take the placement; nothing is written.
        OSError: a file cannot be written.
    """
    own = folder / KUSTOMIZATION
    if own.exists():
        _check_kustomization(own, pods.run)
    placement = folder / PLACEMENT
    before = _deployments(placement) or ({"worker"} if own.exists() else set())
    files = placement_files(plan, base, pods)
    placement.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        if name not in files:
            (placement / name).unlink(missing_ok=True)
    for name, text in files.items():
        (placement / name).write_text(text, encoding="utf-8")
    if not own.exists():
        way = Path(os.path.relpath(base.folder.resolve(), folder.resolve())).as_posix()
        text = _RUN_KUSTOMIZATION.format(run=pods.run, placement=PLACEMENT, base=way, label=RUN_LABEL)
        own.write_text(text, encoding="utf-8")
    return sorted(f"{pods.run}-{name}" for name in before - _deployments(placement))


def _text(content: object) -> str:
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)


def _deployments(placement: Path) -> set[str]:
    """Names of the workers' Deployments that a placement leads to; none without a placement."""
    try:
        if (placement / "worker.yaml").exists():
            return {"worker"}
        if not (placement / "workers.yaml").exists():
            return set()
        documents = list(yaml.safe_load_all((placement / "workers.yaml").read_text(encoding="utf-8")))
        return {str(document["metadata"]["name"]) for document in documents}
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise PlanError(f"{placement}/workers.yaml is not as the planner wrote it ({error}): delete it") from error


def _check_kustomization(path: Path, run: str) -> None:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise PlanError(f"{path} is no YAML: {' '.join(str(error).split())}") from error
    found = found if isinstance(found, dict) else {}
    components = [os.path.normpath(str(component)) for component in found.get("components") or ()]
    if found.get("namePrefix") != f"{run}-":
        raise PlanError(
            f"{path} has the namePrefix {found.get('namePrefix')!r}; that of run {run} is {run}-: give another --out"
        )
    if PLACEMENT not in components:
        raise PlanError(
            f"{path} is there and does not take the placement; its components must name it: add the line "
            f'"- {PLACEMENT}" to them'
        )
    if any(component.endswith("components/gpu") for component in components):
        raise PlanError(f"{path} has components/gpu, which gives the learner a GPU as the placement does: take it out")
