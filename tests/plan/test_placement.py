"""Who sits where: invariants over all clusters, and a few that can be checked by eye."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.plan.demand import Demand, Kind, LearnerShares, Requests
from deploy.plan.node import GPU, SHARED_GPU, Node
from deploy.plan.placement import place
from deploy.plan.plan import Plan
from tests.plan.builders import GIB, demand, demands, node, nodes

KINDS = st.none() | st.sampled_from(Kind)


def counts(plan: Plan) -> dict[str, tuple[int, ...]]:
    return {entry.node.name: entry.workers for entry in plan.nodes}


def holds(node: Node, asked: Demand, kind: Kind, learner_gpus: int) -> int:
    """Workers on a node, counted one by one."""
    gpus = node.gpus - learner_gpus
    each = min(asked.workers_per_gpu, node.replicas) if kind is Kind.SHARED else asked.workers_per_gpu
    cpu = 10**9 if node.cpu is None else node.cpu
    memory = 10**18 if node.memory is None else node.memory
    if learner_gpus:
        cpu, memory = cpu - asked.learner.cpu, memory - asked.learner.memory
    count = 0
    while count < gpus * each and cpu >= asked.worker.cpu and memory >= asked.worker.memory:
        cpu, memory, count = cpu - asked.worker.cpu, memory - asked.worker.memory, count + 1
    return count


@given(nodes(), demands, KINDS)
@settings(max_examples=100, deadline=None)
def test_every_gpu_node_and_worker_is_accounted_for(cluster: list[Node], asked: Demand, kind: Kind | None) -> None:
    plan = place(cluster, asked, kind)
    by_name = {node.name: node for node in cluster}

    assert {entry.node.name for entry in plan.nodes} | {name for name, _ in plan.left_out} == set(by_name)
    assert len(plan.nodes) + len(plan.left_out) == len(cluster)
    seated = 0
    for entry in plan.nodes:
        found = by_name[entry.node.name]
        assert entry.node == found
        assert not found.trouble
        sitting = [worker + other for worker, other in zip(entry.workers, entry.evaluators, strict=True)]
        # No GPU holds more than it may, and none that is the learner's holds any.
        assert all(count <= asked.workers_per_gpu for count in sitting)
        if plan.kind is Kind.SHARED:
            assert all(count <= found.replicas for count in sitting)
            assert not any(sitting) or (found.shares and found.resource == plan.resource)
        else:
            assert not found.unhealthy_gpus
        assert not sitting or len(sitting) + entry.learner_gpus == found.gpus
        # CPU and memory hold all who sit there.
        learner = asked.learner if entry.learner_gpus else Requests(0, 0)
        if any(sitting):
            assert found.cpu is None or sum(sitting) * asked.worker.cpu + learner.cpu <= found.cpu
            assert found.memory is None or sum(sitting) * asked.worker.memory + learner.memory <= found.memory
        seated += sum(sitting)
    assert seated == min(asked.seats, plan.places)
    assert seated + plan.unplaced + plan.evaluator_unplaced == asked.seats
    assert plan.fits == (not plan.learner_unplaced and plan.places >= asked.seats)


@given(nodes(), demands, KINDS)
@settings(max_examples=100, deadline=None)
def test_the_learners_gpus_are_its_own(cluster: list[Node], asked: Demand, kind: Kind | None) -> None:
    plan = place(cluster, asked, kind)

    owners = [entry for entry in plan.nodes if entry.learner_gpus]
    if plan.learner is None:
        assert not owners
        return
    (owner,) = owners
    assert owner.node == plan.learner.node
    assert owner.learner_gpus == plan.learner.gpus >= asked.learner_gpus > 0
    assert owner.node.cpu is None or owner.node.cpu >= asked.learner.cpu
    if plan.kind is Kind.SHARED and owner.node.shares:
        # The device plugin chooses GPUs: nobody else may be on the node at all.
        assert owner.learner_gpus == owner.node.gpus
        assert not any(owner.workers)
        assert not any(owner.evaluators)
        assert not owner.node.mps
    elif plan.kind is Kind.PINNED:
        assert owner.learner_gpus == asked.learner_gpus


@given(nodes(), demands, KINDS)
@settings(max_examples=100, deadline=None)
def test_no_other_seat_of_the_learner_leaves_more_places(cluster: list[Node], asked: Demand, kind: Kind | None) -> None:
    plan = place(cluster, asked, kind)

    usable = [node for node in cluster if node.gpus and not node.trouble]
    if plan.kind is Kind.PINNED:
        hosts = usable = [node for node in usable if not node.unhealthy_gpus]
    else:
        hosts = [node for node in usable if node.shares and node.resource == plan.resource]
    most = sum(holds(host, asked, plan.kind, 0) for host in hosts)
    if asked.learner_gpus == 0:
        assert plan.places == most
        return
    totals = []
    for seat in usable:
        whole = plan.kind is Kind.SHARED and seat.shares
        if (
            seat.gpus < asked.learner_gpus
            or (seat.cpu is not None and seat.cpu < asked.learner.cpu)
            or (seat.memory is not None and seat.memory < asked.learner.memory)
            or (whole and (seat.mps or (asked.learner_shares is LearnerShares.ONE and asked.learner_gpus > 1)))
        ):
            continue
        own = seat.gpus if whole else asked.learner_gpus
        lost = holds(seat, asked, plan.kind, 0) - holds(seat, asked, plan.kind, own) if seat in hosts else 0
        totals.append(most - lost)
    assert plan.learner_unplaced == (not totals)
    assert plan.places == max(totals, default=most)


@given(nodes(), demands, KINDS, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_the_order_of_nodes_does_not_matter(
    cluster: list[Node], asked: Demand, kind: Kind | None, dice: random.Random
) -> None:
    shuffled = list(cluster)
    dice.shuffle(shuffled)
    assert place(shuffled, asked, kind) == place(cluster, asked, kind)


@given(nodes(), demands, KINDS)
@settings(max_examples=100, deadline=None)
def test_no_gpu_gets_its_next_before_all_with_room_have_as_many(
    cluster: list[Node], asked: Demand, kind: Kind | None
) -> None:
    plan = place(cluster, asked, kind)

    sitting = {
        (entry.node.name, at): worker + entry.evaluators[at]
        for entry in plan.nodes
        for at, worker in enumerate(entry.workers)
    }
    busiest = max(sitting.values(), default=0)
    for entry in plan.nodes:
        if sum(entry.workers) + sum(entry.evaluators) < entry.room.places:
            for at in range(len(entry.workers)):
                count = sitting[entry.node.name, at]
                assert count >= busiest - 1 or count == entry.room.per_gpu


@given(st.integers(1, 5), st.integers(1, 4), st.integers(1, 60))
def test_equal_nodes_get_equally_many(count: int, gpus: int, workers: int) -> None:
    plan = place([node(f"n{at}", gpus) for at in range(count)], demand(workers, learner_gpus=0))
    sums = [sum(entry.workers) for entry in plan.nodes]
    assert max(sums) - min(sums) <= 1


def test_pinned_gpus_are_filled_evenly_beside_the_learner() -> None:
    plan = place([node("b", 2), node("a", 3), node("c", 2)], demand(8))
    assert plan.kind is Kind.PINNED
    assert plan.learner is not None
    assert (plan.learner.node.name, plan.learner.gpus) == ("b", 1)
    assert counts(plan) == {"a": (2, 1, 1), "b": (2,), "c": (1, 1)}
    assert plan.places == 18


def test_the_learner_prefers_a_node_without_sharing() -> None:
    plan = place([node("a", 2, replicas=3), node("b", 2, replicas=3), node("whole", 1)], demand(12))
    assert plan.kind is Kind.SHARED
    assert plan.learner is not None
    assert plan.learner.node.name == "whole"
    assert counts(plan) == {"a": (3, 3), "b": (3, 3), "whole": ()}


def test_among_shared_nodes_the_learner_takes_a_whole_one() -> None:
    plan = place([node("a", 4, replicas=3), node("b", 2, replicas=3)], demand(12))
    assert plan.learner is not None
    assert (plan.learner.node.name, plan.learner.gpus) == ("b", 2)
    assert counts(plan) == {"a": (3, 3, 3, 3), "b": ()}


def test_mps_nodes_are_for_workers_alone() -> None:
    plan = place([node("a", 2, replicas=3, mps=True)], demand(3))
    assert plan.learner_unplaced
    assert not plan.fits
    assert place([node("a", 2, replicas=3, mps=True)], demand(6, learner_gpus=0)).fits


def test_a_cluster_with_two_names_of_shares_uses_the_one_with_more_places() -> None:
    plan = place([node("a", 1, replicas=3), node("b", 2, replicas=3, resource=SHARED_GPU)], demand(6, learner_gpus=0))
    assert plan.resource == SHARED_GPU
    assert plan.fits
    assert plan.left_out == (("a", f"it shares {GPU}, other nodes {SHARED_GPU}"),)


def test_cpu_and_memory_limit_a_node() -> None:
    tight = node("tight", 2, cpu=2400, memory=64 * GIB)
    roomy = node("roomy", 2, cpu=64000, memory=3 * GIB)
    plan = place([tight, roomy], demand(6, learner_gpus=0))
    assert {entry.node.name: entry.room.places for entry in plan.nodes} == {"roomy": 3, "tight": 4}
    assert counts(plan) == {"roomy": (2, 1), "tight": (2, 1)}


def test_every_node_without_a_place_is_left_out_with_its_reason() -> None:
    cluster = [
        node("cordoned", 2, trouble=("cordoned",)),
        node("cpu", 0),
        node("master", 0, trouble=("tainted node-role.kubernetes.io/control-plane:NoSchedule",)),
        node("broken", 1, unhealthy_gpus=1),
        node("dead", 0, unhealthy_gpus=2),
        node("small", 2, cpu=400, memory=GIB),
        node("good", 2),
    ]
    plan = place(cluster, demand(3))
    assert dict(plan.left_out) == {
        "cordoned": "cordoned",
        "cpu": "no GPU",
        "master": "tainted node-role.kubernetes.io/control-plane:NoSchedule, no GPU",
        "broken": "1 of its 2 GPUs unhealthy, nobody says which",
        "dead": "none of its 2 GPUs is healthy",
        "small": "too little for a worker's 500m CPU and 1Gi: 400m CPU and 1Gi",
    }
    assert plan.fits


def test_the_evaluator_takes_a_place_before_workers() -> None:
    plan = place([node("a", 2)], demand(3, evaluators=1, learner_gpus=1))
    assert plan.nodes[0].evaluators == (1,)
    assert plan.nodes[0].workers == (2,)
    assert plan.unplaced == 1
