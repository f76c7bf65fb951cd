"""What Kubernetes guarantees of a plan, and what it does not."""

from collections.abc import Iterator

from deploy.plan.demand import Kind, LearnerShares
from deploy.plan.plan import Plan


def notes(plan: Plan) -> Iterator[str]:
    """A sentence each."""
    if plan.kind is Kind.PINNED:
        yield (
            "Pods are pinned to GPUs and request none: Kubernetes does not count them, so keep other pods that use "
            "GPUs off these nodes."
        )
    else:
        yield (
            f"Each worker requests one {plan.resource}: Kubernetes counts these for a whole node, and the device "
            "plugin chooses the GPU."
        )
        loose = [entry.node.name for entry in plan.nodes if 0 < entry.room.per_gpu < entry.node.replicas]
        if loose:
            yield (
                f"On {', '.join(loose)} the device plugin lets more than {plan.demand.workers_per_gpu} pods onto a "
                "GPU: that limit is the plan's alone, unless the plugin's replicas are set to it."
            )
        yield from _learner(plan)
    if not plan.fits:
        yield f"It does not fit: {pending(plan)} will stay Pending."


def pending(plan: Plan) -> str:
    """Who has no place, such as "the learner and 2 workers"."""
    without = ["the learner"] * plan.learner_unplaced + ["the evaluator"] * plan.evaluator_unplaced
    if plan.unplaced:
        without.append(f"{plan.unplaced} worker{'' if plan.unplaced == 1 else 's'}")
    return " and ".join(without)


def _learner(plan: Plan) -> Iterator[str]:
    seat = plan.learner
    if seat is None or not seat.node.shares:
        return
    if plan.demand.learner_shares is LearnerShares.ALL:
        yield (
            f"The learner requests all {seat.gpus * seat.node.replicas} shares of {seat.node.name}, so that Kubernetes "
            "lets nobody else onto its GPUs. Where the device plugin refuses to give more than one "
            "(failRequestsGreaterThanOne), plan with --learner-shares one."
        )
    else:
        yield (
            f"The learner requests one share of {seat.node.name}, from which Kubernetes keeps away this run's other "
            "GPU pods, but nobody else's: taint the node against them."
        )
