"""Places a run on nodes: the learner first, where workers lose least, then workers, evenly over GPUs and nodes.

Pure and deterministic: the order of nodes does not matter.
"""

from collections.abc import Iterable, Mapping, Sequence

from deploy.plan.demand import Demand, Kind
from deploy.plan.learner_seat import LearnerSeat, seat_learner
from deploy.plan.node import GPU, Node
from deploy.plan.plan import NodePlan, Plan
from deploy.plan.room import Room, resources_of, room


def place(nodes: Iterable[Node], demand: Demand, kind: Kind | None = None) -> Plan:
    """Places as much of what is asked as fits; the plan counts the rest.

    Args:
        nodes: of different names, in any order.
        demand: what to place.
        kind: how pods come to their GPUs; None: shared if any usable node shares, else pinned.
    """
    ordered = sorted(nodes, key=lambda node: node.name)
    usable = [node for node in ordered if node.gpus and not node.trouble]
    kind = kind or (Kind.SHARED if any(node.shares for node in usable) else Kind.PINNED)
    resource = _resource(usable, demand) if kind is Kind.SHARED else GPU
    if kind is Kind.PINNED:
        # Which index is the broken one cannot be known.
        usable = [node for node in usable if not node.unhealthy_gpus]
        hosts = usable
    else:
        hosts = [node for node in usable if node.shares and node.resource == resource]
    learner = seat_learner(usable, hosts, demand, kind)
    rooms = {node.name: room(node, demand, kind, _own_gpus(learner, node)) for node in hosts}
    seats = _seat_evenly(rooms, demand.seats)
    evaluator = next((name for name, counts in seats.items() if any(counts)), None) if demand.evaluators else None
    planned = []
    for node in usable:
        counts = seats.get(node.name, [])
        evaluators = tuple(int(node.name == evaluator and index == 0) for index in range(len(counts)))
        workers = tuple(count - other for count, other in zip(counts, evaluators, strict=True))
        space = rooms.get(node.name, Room(0, 0, 0))
        planned.append(NodePlan(node, _own_gpus(learner, node), space, evaluators, workers))
    kept = tuple(entry for entry in planned if entry.room.places or entry.learner_gpus)
    names = {entry.node.name for entry in kept}
    left_out = tuple((node.name, _reason(node, demand, kind, resource)) for node in ordered if node.name not in names)
    return Plan(kind, demand, resource, kept, learner, left_out)


def _own_gpus(learner: LearnerSeat | None, node: Node) -> int:
    return learner.gpus if learner is not None and learner.node == node else 0


def _resource(usable: Sequence[Node], demand: Demand) -> str:
    """A Deployment requests one resource: that with the most places."""
    sums: dict[str, int] = {}
    for node in usable:
        if node.shares:
            sums[node.resource] = sums.get(node.resource, 0) + room(node, demand, Kind.SHARED).places
    return min(sums, key=lambda name: (-sums[name], name), default=GPU)


def _seat_evenly(rooms: Mapping[str, Room], wanted: int) -> dict[str, list[int]]:
    """How many sit on each GPU: none gets its next before all with room have as many, and nodes take turns."""
    seats = {name: [0] * space.gpus for name, space in rooms.items()}
    left = {name: space.places for name, space in rooms.items()}
    for level in range(max((space.per_gpu for space in rooms.values()), default=0)):
        for index in range(max(space.gpus for space in rooms.values())):
            for name, space in rooms.items():
                if wanted and left[name] and index < space.gpus and level < space.per_gpu:
                    seats[name][index] += 1
                    left[name] -= 1
                    wanted -= 1
    return seats


def _reason(node: Node, demand: Demand, kind: Kind, resource: str) -> str:
    """Why nothing is placed on a node."""
    if node.gpus + node.unhealthy_gpus == 0:
        return ", ".join((*node.trouble, "no GPU"))
    if node.trouble:
        return ", ".join(node.trouble)
    if node.gpus == 0:
        return f"none of its {node.unhealthy_gpus} GPUs is healthy"
    if kind is Kind.PINNED and node.unhealthy_gpus:
        return f"{node.unhealthy_gpus} of its {node.gpus + node.unhealthy_gpus} GPUs unhealthy, nobody says which"
    if kind is Kind.SHARED and not node.shares:
        return "its GPUs are not shared, of use to the learner alone"
    if kind is Kind.SHARED and node.resource != resource:
        return f"it shares {node.resource}, other nodes {resource}"
    return f"too little for a worker's {demand.worker}: {resources_of(node)}"
