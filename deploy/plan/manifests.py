"""What a plan asks of Kubernetes, as changes to the base's workloads.

Shared GPUs: a pod requests shares of the device plugin's resource and Kubernetes counts them. Which GPU of a node it
gets is the plugin's choice, so that only a whole node can be the learner's own. Pinned GPUs: a pod names its node
(`nodeSelector`) and its GPU (`NVIDIA_VISIBLE_DEVICES`) and requests none; Kubernetes knows nothing of it, the plan
counts alone.
"""

from dataclasses import dataclass
from typing import Any, Final

from deploy.plan.base import Base, container_of
from deploy.plan.demand import Kind, LearnerShares, Requests
from deploy.plan.plan import NodePlan, Plan
from deploy.plan.pod_change import Manifest, PodChange
from deploy.plan.quantity import cores, memory_bytes, memory_text, millicores
from deploy.plan.run_name import PLACE_LABEL, RUN_LABEL, place_name

UNPLACED: Final = {"distributed-l2r/unplaced": "true"}
"""Selects a label that no node has: who has no place stays Pending."""

HOSTNAME: Final = "kubernetes.io/hostname"
VISIBLE: Final = "NVIDIA_VISIBLE_DEVICES"
NO_GPU: Final = {VISIBLE: "void"}
"""Where containers see all GPUs unless told otherwise, this one sees none."""


@dataclass(frozen=True, kw_only=True)
class Pods:
    """What all pods on GPUs have in common."""

    run: str
    tolerated: tuple[str, ...]
    """Keys of taints."""
    runtime_class: str | None
    """Of the NVIDIA runtime, where it is not the cluster's default."""

    def on(self, place: Manifest) -> Manifest:
        """Keys of a pod's specification for a place."""
        tolerations = [{"key": key, "operator": "Exists"} for key in self.tolerated]
        runtime = {"runtimeClassName": self.runtime_class} if self.runtime_class is not None else {}
        return {**place, "tolerations": tolerations, **runtime}


def learner_change(plan: Plan, base: Base, pods: Pods) -> PodChange:
    """Of the StatefulSet learner."""
    requests, limits = _reserved(base.learner, plan.demand.learner)
    if plan.demand.learner_gpus == 0:
        return PodChange(environment=NO_GPU, requests=requests, limits=limits)
    environment = {"NVIDIA_DRIVER_CAPABILITIES": "compute,utility"}
    if plan.learner is None:
        return PodChange(
            pod=pods.on({"nodeSelector": UNPLACED}), environment=environment, requests=requests, limits=limits
        )
    node = plan.learner.node
    if plan.kind is Kind.PINNED:
        environment = {VISIBLE: ",".join(str(gpu) for gpu in range(plan.learner.gpus)), **environment}
    elif not node.shares:
        limits[node.resource] = str(plan.learner.gpus)
    else:
        every = node.gpus * node.replicas
        limits[node.resource] = str(every if plan.demand.learner_shares is LearnerShares.ALL else 1)
    place = pods.on({"nodeSelector": {HOSTNAME: node.hostname}})
    return PodChange(pod=place, environment=environment, requests=requests, limits=limits)


def evaluator_change(plan: Plan, base: Base, pods: Pods) -> PodChange:
    """Of the Deployment evaluator."""
    if not plan.demand.evaluators:
        return PodChange(environment=NO_GPU)
    seat = next((entry for entry in plan.nodes if any(entry.evaluators)), None)
    if plan.kind is Kind.PINNED:
        gpu = None if seat is None else seat.learner_gpus + seat.evaluators.index(1)
        return _pinned(plan, base.evaluator, pods, seat, gpu)
    return _sharing(plan, base.evaluator, pods)


def shared_worker_change(plan: Plan, base: Base, pods: Pods) -> PodChange:
    """Of the Deployment worker, where GPUs are shared."""
    change = _sharing(plan, base.worker, pods)
    same = {"app.kubernetes.io/component": "worker", RUN_LABEL: pods.run}
    # A wish, not a rule: nodes of different sizes must be filled as well.
    spread = {
        "maxSkew": 1,
        "topologyKey": HOSTNAME,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": same},
    }
    change.pod["topologySpreadConstraints"] = [spread]
    return change


def pinned_workers(plan: Plan, base: Base, pods: Pods) -> list[Manifest]:
    """A Deployment for each GPU with workers, made from the base's, and one for those without a place."""
    deployments = []
    for entry in plan.nodes:
        for gpu, count in enumerate(entry.workers, entry.learner_gpus):
            if count:
                change = _pinned(plan, base.worker, pods, entry, gpu)
                deployments.append(_copy(base.worker, change, place_name(entry.node.name, gpu), count))
    if plan.unplaced:
        change = _pinned(plan, base.worker, pods, None, None)
        deployments.append(_copy(base.worker, change, "unplaced", plan.unplaced))
    return deployments


def _copy(worker: Manifest, change: PodChange, place: str, replicas: int) -> Manifest:
    deployment = change.applied(worker)
    deployment["metadata"]["name"] = f"worker-{place}"
    spec = deployment["spec"]
    spec["replicas"] = replicas
    # One more than planned for the time of an update would be one too many on this GPU.
    spec["strategy"] = {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
    for labels in (
        deployment["metadata"]["labels"],
        spec["selector"]["matchLabels"],
        spec["template"]["metadata"]["labels"],
    ):
        labels[PLACE_LABEL] = place
    return deployment


def _pinned(plan: Plan, workload: Manifest, pods: Pods, entry: NodePlan | None, gpu: int | None) -> PodChange:
    requests, limits = _reserved(workload, plan.demand.worker)
    selector = UNPLACED if entry is None else {HOSTNAME: entry.node.hostname}
    environment = {"NVIDIA_DRIVER_CAPABILITIES": "all"}
    if gpu is not None:
        environment = {VISIBLE: str(gpu), **environment}
    return PodChange(pod=pods.on({"nodeSelector": selector}), environment=environment, requests=requests, limits=limits)


def _sharing(plan: Plan, workload: Manifest, pods: Pods) -> PodChange:
    requests, limits = _reserved(workload, plan.demand.worker)
    limits[plan.resource] = "1"
    hostnames = [entry.node.hostname for entry in plan.nodes if entry.room.places]
    if hostnames:
        # Neither on the learner's node nor on one whose GPUs are not shared.
        terms = [{"matchExpressions": [{"key": HOSTNAME, "operator": "In", "values": hostnames}]}]
        required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
        place: Manifest = {"affinity": {"nodeAffinity": required}}
    else:
        place = {"nodeSelector": UNPLACED}
    environment = {"NVIDIA_DRIVER_CAPABILITIES": "all"}
    return PodChange(pod=pods.on(place), environment=environment, requests=requests, limits=limits)


def _reserved(workload: Manifest, asked: Requests) -> tuple[dict[str, str], dict[str, str]]:
    """Requests other than the workload's own, and limits where its own are below them."""
    resources: dict[str, Any] = container_of(workload).get("resources", {})
    requests, limits = {}, {}
    for name, value, text, parse in (
        ("cpu", asked.cpu, cores(asked.cpu), millicores),
        ("memory", asked.memory, memory_text(asked.memory), memory_bytes),
    ):
        if value != parse(resources.get("requests", {}).get(name, 0), name):
            requests[name] = text
        if name in resources.get("limits", {}) and parse(resources["limits"][name], name) < value:
            limits[name] = text
    return requests, limits
