"""The planner's own, short format of nodes.

```
nodes:
  - name: gpu-a                         # as in kubectl get nodes
    gpus: 2
    replicas: 3                         # pods that the device plugin lets onto each GPU; 1 if not given: not shared
    cpu: 16                             # for pods: cores, or 15500m; not looked at if not given
    memory: 64Gi                        # for pods; not looked at if not given
  - name: gpu-b
    gpus: 4
    replicas: 3
    strategy: mps                       # time-slicing if not given
    resource: nvidia.com/gpu.shared     # where the plugin renames what it shares; nvidia.com/gpu if not given
    unschedulable: true                 # left out
```
"""

from collections.abc import Mapping
from typing import Final

from deploy.plan.node import GPU, SHARED_GPU, Node
from deploy.plan.plan_error import PlanError
from deploy.plan.quantity import count, memory_bytes, millicores

KEYS: Final = ("name", "gpus", "replicas", "cpu", "memory", "strategy", "resource", "unschedulable")
STRATEGIES: Final = ("time-slicing", "mps")


def node_from_entry(entry: object, where: str) -> Node:
    """A node of the list.

    Args:
        entry: as parsed.
        where: names it in errors.

    Raises:
        PlanError: a key is unknown or missing, or a value breaks its rule.
    """
    if not isinstance(entry, Mapping):
        raise PlanError(f"{where} is {entry!r}; it must be a mapping with at least name and gpus: correct it")
    unknown = sorted(str(key) for key in entry if key not in KEYS)
    if unknown:
        raise PlanError(f"{where} has {unknown[0]}; known are {', '.join(KEYS)}: correct it")
    name = entry.get("name")
    if not (isinstance(name, str) and name):
        raise PlanError(
            f"name of {where} is {name!r}; it must be the node's name, in quotes if it is a number: give it"
        )
    gpus = count(entry.get("gpus"), f"gpus of {name}")
    replicas = count(entry.get("replicas", 1), f"replicas of {name}")
    if replicas < 1:
        raise PlanError(f"replicas of {name} is {replicas}; it must be at least 1, which is not shared: correct it")
    strategy = entry.get("strategy", STRATEGIES[0])
    if strategy not in STRATEGIES:
        raise PlanError(f"strategy of {name} is {strategy!r}; it must be {' or '.join(STRATEGIES)}: correct it")
    resource = entry.get("resource", GPU)
    if resource not in (GPU, SHARED_GPU):
        raise PlanError(f"resource of {name} is {resource!r}; it must be {GPU} or {SHARED_GPU}: correct it")
    cordoned = entry.get("unschedulable", False)
    if not isinstance(cordoned, bool):
        raise PlanError(f"unschedulable of {name} is {cordoned!r}; it must be true or false: correct it")
    return Node(
        name=name,
        hostname=name,
        gpus=gpus,
        replicas=replicas,
        resource=resource,
        mps=strategy == "mps",
        cpu=None if entry.get("cpu") is None else millicores(entry["cpu"], f"cpu of {name}"),
        memory=None if entry.get("memory") is None else memory_bytes(entry["memory"], f"memory of {name}"),
        trouble=("cordoned",) if cordoned else (),
    )
