"""What does not fit, with the arithmetic."""

from typing import Final

from deploy.plan.demand import Kind
from deploy.plan.learner_seat import against_learner
from deploy.plan.node import Node
from deploy.plan.notes import pending
from deploy.plan.plan import Plan
from deploy.plan.room import resources_of

MOST_NAMES: Final = 6
"""Names in a line; above, a number stands for the rest."""


def refusal(plan: Plan, nodes: tuple[Node, ...]) -> str:
    """What has no place: a sentence for the learner, one for the workers, and lines about nodes that give too little.

    Args:
        plan: one that does not fit.
        nodes: those it was made from.
    """
    lines = []
    if plan.learner_unplaced:
        lines.append(_learner(plan, nodes))
    if plan.unplaced or plan.evaluator_unplaced:
        lines.append(_workers(plan))
    return "\n".join([*lines, *shortfalls(plan)])


def arithmetic(plan: Plan) -> str:
    """How places come about: GPUs times places on each, less what CPU and memory do not hold."""
    each: dict[int, int] = {}
    for entry in plan.nodes:
        if entry.room.gpus:
            each[entry.room.per_gpu] = each.get(entry.room.per_gpu, 0) + entry.room.gpus
    terms = [f"{_gpus(gpus)} x {per_gpu}" for per_gpu, gpus in sorted(each.items(), reverse=True)]
    short = sum(entry.room.gpus * entry.room.per_gpu - entry.room.places for entry in plan.nodes)
    return f"{' + '.join(terms) or _gpus(0)}{f' - {short}' if short else ''} = {plan.places}"


def shortfalls(plan: Plan) -> list[str]:
    """Lines about nodes whose CPU or memory holds fewer workers than their GPUs, and about those left out."""
    lines: dict[str, list[str]] = {}
    for entry in plan.nodes:
        room, node = entry.room, entry.node
        if room.places < room.gpus * room.per_gpu:
            beside = f" beside the learner's {plan.demand.learner}" if entry.learner_gpus else ""
            line = (
                f"room for {room.places} of the {room.gpus * room.per_gpu} that its GPUs would hold: "
                f"{resources_of(node)}{beside}, {plan.demand.worker} each"
            )
            lines.setdefault(line, []).append(node.name)
    for name, reason in plan.left_out:
        lines.setdefault(f"left out: {reason}", []).append(name)
    return [f"{_names(names)}: {line}" for line, names in lines.items()]


def _names(names: list[str]) -> str:
    more = len(names) - MOST_NAMES
    return f"{', '.join(names[:MOST_NAMES])} and {more} more" if more > 0 else ", ".join(names)


def _workers(plan: Plan) -> str:
    demand = plan.demand
    asked = counted(demand.workers, "worker")
    if demand.evaluators:
        asked += f" and {counted(demand.evaluators, 'evaluator')}"
    hosts = [entry for entry in plan.nodes if entry.room.gpus or entry.learner_gpus]
    there = f"of {_gpus(sum(entry.node.gpus for entry in hosts))} on {counted(len(hosts), 'node')}"
    own = f", the learner's {plan.learner.gpus} kept apart" if plan.learner is not None else ""
    fewer = plan.places - demand.evaluators
    remedy = f"ask for {counted(fewer, 'worker')}, give more GPUs" if fewer > 0 else "give more GPUs"
    return (
        f"{asked} need {counted(demand.seats, 'place')} and there are {plan.places}: {arithmetic(plan)} "
        f"({there}{own}; at most {counted(demand.workers_per_gpu, 'worker')} a GPU): {remedy}, or write it as it is "
        f"with --force, and {pending(plan)} will stay Pending"
    )


def _learner(plan: Plan, nodes: tuple[Node, ...]) -> str:
    against = [
        f"{node.name} has {reason}"
        for node in sorted(nodes, key=lambda node: node.name)
        if node.gpus and not node.trouble and (reason := against_learner(node, plan.demand, plan.kind))
    ]
    whole = " (and so a whole node, where GPUs are shared)" if plan.kind is Kind.SHARED else ""
    return (
        f"the learner needs {_gpus(plan.demand.learner_gpus)} of its own on one node{whole} and there is none: "
        f"{'; '.join(against) or 'no node with GPUs can be used'}: give it such a node, lower --learner-gpus (0 trains "
        "on the CPU), or write it as it is with --force, and it will stay Pending"
    )


def _gpus(count: int) -> str:
    return counted(count, "GPU")


def counted(count: int, noun: str) -> str:
    """Such as "1 worker" and "2 workers"."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
