"""The picture: what it shows, without colours and on narrow screens."""

import io

import pytest
from rich.console import Console
from rich.text import Text

from deploy.plan.demand import Kind
from deploy.plan.picture import picture
from deploy.plan.placement import place
from deploy.plan.plan import Plan
from tests.plan.builders import demand, node


def printed(plan: Plan, width: int = 100, *, colours: bool = False) -> str:
    stream = io.StringIO()
    console = Console(
        file=stream, width=width, force_terminal=colours, color_system="standard" if colours else None, highlight=False
    )
    for part in picture(plan, "kestrel"):
        console.print(part)
    return stream.getvalue()


def test_it_shows_who_sits_where() -> None:
    cluster = [node("a", 3), node("b", 2, cpu=2000), node("c", 0)]
    plan = place(cluster, demand(9, evaluators=1))
    lines = [line.rstrip() for line in printed(plan, 140).splitlines()]
    assert lines[:7] == [
        "kestrel: 9 workers and the learner on b; 5 pinned GPUs on 2 nodes",
        "a  0[Eww] 1[www] 2[ww.]",
        "b  0[LLL] 1[ww-]",
        "GPU index[L learner, E evaluator, w worker, . free, - no place]",
        "places: 4 GPUs x 3 - 1 = 11",
        "b: room for 2 of the 3 that its GPUs would hold: 2 CPU beside the learner's 1 CPU and 2Gi, "
        "500m CPU and 1Gi each",
        "c: left out: no GPU",
    ]


def test_a_node_for_the_learner_alone_has_no_places() -> None:
    plan = place([node("a", 1, replicas=3), node("whole", 2)], demand(3))
    assert "whole  0[LLL] 1[---]" in printed(plan)


def test_many_places_are_numbers() -> None:
    plan = place([node("a", 2)], demand(17, workers_per_gpu=20), Kind.PINNED)
    assert "a  0[20L] 1[17w3.]" in printed(plan)


def test_what_does_not_fit_is_said() -> None:
    assert "It does not fit: 2 workers will stay Pending." in printed(place([node("a", 3)], demand(8)))


def test_colours_only_repeat_what_letters_say() -> None:
    plan = place([node("a", 3)], demand(5, evaluators=1))
    assert "\x1b[" in printed(plan, colours=True)
    assert "\x1b[" not in printed(plan)
    assert Text.from_ansi(printed(plan, colours=True)).plain.split() == printed(plan).split()


@pytest.mark.parametrize("width", [20, 40, 80])
def test_it_keeps_to_the_width_and_loses_nothing(width: int) -> None:
    names = ["gpu-a", "a-very-long-name-of-a-node.europe-west3-b.c.project.internal"]
    plan = place([node(name, 8) for name in names], demand(20))
    text = printed(plan, width)
    assert all(len(line) <= width for line in text.splitlines())
    assert text.count("[ww.]") + text.count("[w..]") == 15
    together = "".join(text.split())
    assert text.count("[LLL]") == 1
    assert "16pinnedGPUson2nodes" in together
