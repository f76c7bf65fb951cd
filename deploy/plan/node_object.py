"""Nodes as Kubernetes tells them: `kubectl get nodes -o json`.

How GPUs are shared is read from the labels of NVIDIA's GPU feature discovery (`nvidia.com/gpu.count`, `.replicas`,
`.sharing-strategy`, `.product`) and from what the device plugin offers (`nvidia.com/gpu`, or `nvidia.com/gpu.shared`
where it renames). Without labels, six GPUs look like two that are shared by three each: `--replicas` tells.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from deploy.plan.node import GPU, SHARED_GPU, Node
from deploy.plan.plan_error import PlanError
from deploy.plan.quantity import count, memory_bytes, millicores


def node_from_object(
    entry: object, where: str, *, tolerated: tuple[str, ...] = (), replicas: int | None = None
) -> Node:
    """A node of the list.

    Args:
        entry: as parsed.
        where: names it in errors.
        tolerated: keys of taints that the pods will tolerate.
        replicas: pods that the device plugin lets onto each GPU, for nodes whose labels do not say.

    Raises:
        PlanError: it is no Node, or a value breaks its rule.
    """
    if not isinstance(entry, Mapping) or entry.get("kind") != "Node":
        raise PlanError(f"{where} is not of kind Node: give the output of kubectl get nodes -o json")
    metadata, spec, status = (_mapping(entry, key, where) for key in ("metadata", "spec", "status"))
    name = metadata.get("name")
    if not (isinstance(name, str) and name):
        raise PlanError(f"{where} has no name: give the output of kubectl get nodes -o json")
    labels = _mapping(metadata, "labels", name)
    capacity = _mapping(status, "capacity", name)
    allocatable = _mapping(status, "allocatable", name) or capacity
    resource = SHARED_GPU if count(capacity.get(SHARED_GPU, 0), f"{SHARED_GPU} of {name}") else GPU
    offered = count(capacity.get(resource, 0), f"{resource} of {name}")
    healthy = count(allocatable.get(resource, 0), f"allocatable {resource} of {name}")
    trouble = [
        *_availability(spec, _mappings(status, "conditions", name)),
        *_taints(_mappings(spec, "taints", name), tolerated),
    ]
    shared_by, gpus = _sharing(labels, resource, offered, replicas, name)
    if "-MIG-" in str(labels.get(f"{GPU}.product", "")):
        trouble.append("GPUs divided by MIG, which the planner does not know")
    if offered and offered != gpus * shared_by:
        trouble.append(f"{offered} {resource} are not {gpus} GPUs x {shared_by}")
    # What no plugin offers can only be pinned, and its health is not known.
    fit = healthy // shared_by if offered else gpus
    return Node(
        name=name,
        hostname=str(labels.get("kubernetes.io/hostname", name)),
        gpus=min(fit, gpus),
        unhealthy_gpus=max(0, gpus - fit),
        replicas=shared_by,
        resource=resource,
        mps=labels.get(f"{GPU}.sharing-strategy") == "mps",
        cpu=None if "cpu" not in allocatable else millicores(allocatable["cpu"], f"cpu of {name}"),
        memory=None if "memory" not in allocatable else memory_bytes(allocatable["memory"], f"memory of {name}"),
        trouble=tuple(trouble),
    )


def _sharing(
    labels: Mapping[str, Any], resource: str, offered: int, replicas: int | None, name: str
) -> tuple[int, int]:
    """Pods a GPU and GPUs, by the labels; where these are silent, by `replicas`."""
    counted = count(labels[f"{GPU}.count"], f"label {GPU}.count of {name}") if f"{GPU}.count" in labels else None
    shared_by = count(labels.get(f"{GPU}.replicas", 0), f"label {GPU}.replicas of {name}")
    if labels.get(f"{GPU}.sharing-strategy") == "none":
        shared_by = 1
    if not shared_by and counted and offered > counted and offered % counted == 0:
        shared_by = offered // counted
    if not shared_by and counted is None and offered and replicas is not None:
        shared_by = replicas
    if not shared_by and resource == SHARED_GPU and counted is None:
        raise PlanError(
            f"node {name} offers {offered} {resource} and no label says on how many GPUs: "
            "tell with --replicas how many pods its device plugin lets onto each"
        )
    shared_by = shared_by or 1
    # Rounded up, so that an odd number shows as one that does not divide.
    return shared_by, counted if counted is not None else -(-offered // shared_by)


def _availability(spec: Mapping[str, Any], conditions: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if spec.get("unschedulable"):
        yield "cordoned"
    for condition in conditions:
        if condition.get("type") == "Ready" and condition.get("status") != "True":
            yield "not Ready"


def _taints(taints: Sequence[Mapping[str, Any]], tolerated: tuple[str, ...]) -> Iterator[str]:
    for taint in taints:
        key, value, effect = str(taint.get("key")), taint.get("value"), taint.get("effect")
        # Kubernetes' own taints repeat what availability tells.
        repeats = key in {f"node.kubernetes.io/{name}" for name in ("unschedulable", "not-ready", "unreachable")}
        if effect in {"NoSchedule", "NoExecute"} and key not in tolerated and not repeats:
            yield f"tainted {key}{f'={value}' if value else ''}:{effect}"


def _mappings(parent: Mapping[str, Any], key: str, where: str) -> Sequence[Mapping[str, Any]]:
    value = parent.get(key) or []
    if not (isinstance(value, list) and all(isinstance(entry, Mapping) for entry in value)):
        raise PlanError(
            f"{key} of {where} is {value!r}; it must be a list of mappings: give the output of "
            "kubectl get nodes -o json"
        )
    return value


def _mapping(parent: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    value = parent.get(key)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise PlanError(
            f"{key} of {where} is {value!r}; it must be a mapping: give the output of kubectl get nodes -o json"
        )
    return value
