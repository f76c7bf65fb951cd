"""Nodes, demands and clusters for tests."""

from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from deploy.plan.demand import Demand, LearnerShares, Requests
from deploy.plan.node import GPU, SHARED_GPU, Node

FOLDER = Path(__file__).parent
BASE = FOLDER / "base"
GIB = 1 << 30


def node(name: str, gpus: int = 2, **values: Any) -> Node:
    return Node(name=name, hostname=name, gpus=gpus, **values)


def demand(workers: int = 6, **values: Any) -> Demand:
    defaults = {
        "workers_per_gpu": 3,
        "learner_gpus": 1,
        "worker": Requests(500, GIB),
        "learner": Requests(1000, 2 * GIB),
    }
    return Demand(**{"workers": workers, **defaults, **values})


def kubernetes_node(name: str, *, labels: dict[str, str] | None = None, **changes: Any) -> dict[str, Any]:
    """A Node as kubectl prints it, of 8 CPU and 32 GiB, with no GPU unless `capacity` says."""
    capacity = {"cpu": "8", "memory": "33554432Ki", "pods": "110", **changes.pop("capacity", {})}
    status = {
        "capacity": capacity,
        "allocatable": {**capacity, **changes.pop("allocatable", {})},
        "conditions": [
            {"type": "MemoryPressure", "status": "False"},
            {"type": "Ready", "status": changes.pop("ready", "True")},
        ],
    }
    metadata = {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": changes, "status": status}


def shared_labels(gpus: int, replicas: int, strategy: str = "time-slicing") -> dict[str, str]:
    return {
        "nvidia.com/gpu.count": str(gpus),
        "nvidia.com/gpu.replicas": str(replicas),
        "nvidia.com/gpu.sharing-strategy": strategy,
        "nvidia.com/gpu.product": "Tesla-T4-SHARED" if replicas > 1 else "Tesla-T4",
    }


@st.composite
def nodes(draw: st.DrawFn) -> list[Node]:
    """A cluster of nodes of all kinds, in any order."""
    cluster = [
        node(
            f"n{at}",
            draw(st.integers(0, 5)),
            unhealthy_gpus=draw(st.sampled_from([0, 0, 0, 1])),
            replicas=draw(st.sampled_from([1, 1, 2, 3, 5])),
            resource=draw(st.sampled_from([GPU, GPU, SHARED_GPU])),
            mps=draw(st.sampled_from([False, False, True])),
            cpu=draw(st.none() | st.integers(0, 9000)),
            memory=draw(st.none() | st.integers(0, 16 * GIB)),
            trouble=draw(st.sampled_from([(), (), (), ("cordoned",)])),
        )
        for at in range(draw(st.integers(0, 6)))
    ]
    return draw(st.permutations(cluster))


demands = st.builds(
    demand,
    workers=st.integers(1, 40),
    workers_per_gpu=st.integers(1, 5),
    learner_gpus=st.integers(0, 3),
    evaluators=st.integers(0, 1),
    worker=st.builds(Requests, st.sampled_from([0, 250, 1500]), st.sampled_from([0, GIB // 2, 3 * GIB])),
    learner=st.builds(Requests, st.sampled_from([0, 1000, 4000]), st.sampled_from([0, 2 * GIB])),
    learner_shares=st.sampled_from(LearnerShares),
)
