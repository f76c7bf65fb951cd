"""The learner's seat: GPUs that it shares with nobody."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from deploy.plan.demand import Demand, Kind, LearnerShares
from deploy.plan.node import Node
from deploy.plan.quantity import cores, mebibytes
from deploy.plan.room import room


@dataclass(frozen=True)
class LearnerSeat:
    """Where the learner is."""

    node: Node
    gpus: int
    """GPUs that it keeps everybody else of the run away from, from index 0 on. Where the device plugin shares, it alone
    chooses which GPU a pod gets, even for a pod that requests several shares: there only a whole node will do."""


def seat_learner(usable: Iterable[Node], hosts: Sequence[Node], demand: Demand, kind: Kind) -> LearnerSeat | None:
    """Where workers lose the fewest places; None if it asks for no GPU, or none can be its own.

    Args:
        usable: nodes to choose from.
        hosts: those of them that take workers.
        demand: what is to be placed.
        kind: how pods come to their GPUs.
    """
    if demand.learner_gpus == 0:
        return None
    host_names = {node.name for node in hosts}

    def cost(seat: LearnerSeat) -> tuple[int, int, str]:
        node, lost = seat.node, 0
        if node.name in host_names:
            lost = room(node, demand, kind).places - room(node, demand, kind, seat.gpus).places
        return lost, node.gpus, node.name

    seats = [
        LearnerSeat(node, node.gpus if kind is Kind.SHARED and node.shares else demand.learner_gpus)
        for node in usable
        if against_learner(node, demand, kind) is None
    ]
    return min(seats, key=cost, default=None)


def against_learner(node: Node, demand: Demand, kind: Kind) -> str | None:
    """Why the learner cannot sit on a usable node; None if it can."""
    if node.gpus < demand.learner_gpus:
        return f"{node.gpus} GPU{'' if node.gpus == 1 else 's'}"
    if node.cpu is not None and node.cpu < demand.learner.cpu:
        return f"{cores(node.cpu)} CPU where it asks for {cores(demand.learner.cpu)}"
    if node.memory is not None and node.memory < demand.learner.memory:
        return f"{mebibytes(node.memory)} of memory where it asks for {mebibytes(demand.learner.memory)}"
    if kind is Kind.SHARED and node.shares and node.mps:
        return "MPS, which would give it only part of a GPU's memory"
    if kind is Kind.SHARED and node.shares and demand.learner_shares is LearnerShares.ONE and demand.learner_gpus > 1:
        return "one share is one GPU"
    return None
