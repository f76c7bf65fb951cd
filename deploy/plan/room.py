"""How many workers a node holds."""

from dataclasses import dataclass

from deploy.plan.demand import Demand, Kind
from deploy.plan.node import Node
from deploy.plan.quantity import cores, mebibytes


@dataclass(frozen=True)
class Room:
    """Places on a node for workers and evaluators."""

    gpus: int
    """GPUs that are not the learner's."""
    per_gpu: int
    """Places on each."""
    places: int
    """Places on all of them, as far as CPU and memory reach."""


def room(node: Node, demand: Demand, kind: Kind, learner_gpus: int = 0) -> Room:
    """The room on a node; with `learner_gpus` above 0 the learner sits there too, with its CPU and memory."""
    per_gpu = demand.workers_per_gpu if kind is Kind.PINNED else min(demand.workers_per_gpu, node.replicas)
    gpus = node.gpus - learner_gpus
    limits = [gpus * per_gpu]
    for there, learner, worker in (
        (node.cpu, demand.learner.cpu, demand.worker.cpu),
        (node.memory, demand.learner.memory, demand.worker.memory),
    ):
        if there is not None and worker:
            limits.append((there - (learner if learner_gpus else 0)) // worker)
    return Room(gpus, per_gpu, max(0, min(limits)))


def resources_of(node: Node) -> str:
    """The node's CPU and memory for people, where known."""
    cpu = None if node.cpu is None else f"{cores(node.cpu)} CPU"
    memory = None if node.memory is None else mebibytes(node.memory)
    return " and ".join(text for text in (cpu, memory) if text)
