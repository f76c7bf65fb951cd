"""Messages about what does not fit: their numbers are those of the plan."""

import re

from hypothesis import given, settings

from deploy.plan.demand import Demand, Kind
from deploy.plan.node import Node
from deploy.plan.notes import notes
from deploy.plan.placement import place
from deploy.plan.refusal import arithmetic, refusal
from tests.plan.builders import GIB, demand, demands, node, nodes


@given(nodes(), demands)
@settings(max_examples=100, deadline=None)
def test_the_arithmetic_is_right(cluster: list[Node], asked: Demand) -> None:
    plan = place(cluster, asked)

    sum_text, _, result = arithmetic(plan).partition(" = ")
    terms, _, short = sum_text.partition(" - ")
    total = 0
    for term in terms.split(" + "):
        found = re.fullmatch(r"(\d+) GPUs?(?: x (\d+))?", term)
        assert found, term
        total += int(found[1]) * int(found[2] or 0)
    assert total - int(short or 0) == int(result) == plan.places
    if plan.unplaced:
        message = refusal(plan, tuple(cluster))
        assert f" need {asked.seats} place" in message
        assert f"there are {plan.places}: " in message
        assert f"{plan.unplaced} worker" in message


def test_a_worker_too_many_is_refused_with_the_sum() -> None:
    cluster = (node("a", 3), node("b", 1))
    plan = place(cluster, demand(10))
    assert refusal(plan, cluster) == (
        "10 workers need 10 places and there are 9: 3 GPUs x 3 = 9 (of 4 GPUs on 2 nodes, the learner's 1 kept apart; "
        "at most 3 workers a GPU): ask for 9 workers, give more GPUs, or write it as it is with --force, and 1 worker "
        "will stay Pending"
    )


def test_eight_workers_on_two_gpus_by_three_shares_are_refused_for_six_places() -> None:
    cluster = (node("testbed", 2, replicas=3),)
    plan = place(cluster, demand(8, learner_gpus=0))
    assert refusal(plan, cluster) == (
        "8 workers need 8 places and there are 6: 2 GPUs x 3 = 6 (of 2 GPUs on 1 node; at most 3 workers a GPU): ask "
        "for 6 workers, give more GPUs, or write it as it is with --force, and 2 workers will stay Pending"
    )


def test_short_cpu_is_part_of_the_sum_and_nodes_of_one_reason_share_a_line() -> None:
    cluster = (node("a", 2), node("b", 2, cpu=2000), node("c", 2, cpu=2000), *(node(f"x{at}", 0) for at in range(8)))
    plan = place(cluster, demand(20, learner_gpus=0))
    first, *lines = refusal(plan, cluster).splitlines()
    assert "there are 14: 6 GPUs x 3 - 4 = 14" in first
    assert lines == [
        "b, c: room for 4 of the 6 that its GPUs would hold: 2 CPU, 500m CPU and 1Gi each",
        "x0, x1, x2, x3, x4, x5 and 2 more: left out: no GPU",
    ]


def test_a_learner_without_a_seat_is_told_why() -> None:
    cluster = (
        node("a", 1),
        node("b", 2, cpu=500),
        node("c", 2, memory=GIB),
        node("d", 4, trouble=("cordoned",)),
    )
    plan = place(cluster, demand(1, learner_gpus=2))
    first = refusal(plan, cluster).splitlines()[0]
    assert first == (
        "the learner needs 2 GPUs of its own on one node and there is none: a has 1 GPU; b has 500m CPU where it asks "
        "for 1; c has 1Gi of memory where it asks for 2Gi: give it such a node, lower --learner-gpus (0 trains on the "
        "CPU), or write it as it is with --force, and it will stay Pending"
    )


def test_notes_say_what_kubernetes_does_not_guarantee() -> None:
    pinned = list(notes(place([node("a", 2)], demand(3))))
    assert any("Kubernetes does not count them" in note for note in pinned)
    loose = list(notes(place([node("a", 2, replicas=5)], demand(3, learner_gpus=0))))
    assert any("lets more than 3 pods onto a GPU" in note for note in loose)
    whole = list(notes(place([node("a", 2, replicas=3), node("b", 2, replicas=3)], demand(3))))
    assert any("requests all 6 shares of a" in note for note in whole)
    short = place([node("a", 2, replicas=3, mps=True)], demand(8), Kind.SHARED)
    assert list(notes(short))[-1] == "It does not fit: the learner and 2 workers will stay Pending."
