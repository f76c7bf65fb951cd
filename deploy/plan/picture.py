"""A picture of who sits where: a line a node, a cell a GPU."""

from collections.abc import Iterator
from typing import Final

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from deploy.plan.notes import notes
from deploy.plan.plan import NodePlan, Plan
from deploy.plan.refusal import arithmetic, counted, shortfalls

LEARNER: Final = "L"
EVALUATOR: Final = "E"
WORKER: Final = "w"
FREE: Final = "."
NONE: Final = "-"
"""No place: CPU or memory is short, or the node takes the learner alone."""

STYLES: Final = {LEARNER: "bold magenta", EVALUATOR: "bold cyan", WORKER: "green", FREE: "dim", NONE: "dim"}

MOST_LETTERS: Final = 12
"""Places on a GPU up to which letters can be counted at a glance; above, numbers stand for them."""


def picture(plan: Plan, run: str) -> Iterator[RenderableType]:
    """What to print, in order. Letters alone tell everything; colours repeat it."""
    yield Text(f"{run}: {_title(plan)}", style="bold")
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for entry in plan.nodes:
        table.add_row(Text(entry.node.name), Text(" ").join(_cells(plan, entry)))
    if plan.nodes:
        yield table
        yield Text(
            f"GPU index[{LEARNER} learner, {EVALUATOR} evaluator, {WORKER} worker, {FREE} free, {NONE} no place]",
            style="dim",
        )
    yield Text(f"places: {arithmetic(plan)}")
    for line in shortfalls(plan):
        yield Text(line)
    for line in notes(plan):
        yield Text(line)


def _title(plan: Plan) -> str:
    placed = plan.demand.workers - plan.unplaced
    workers = f"{placed} of {counted(plan.demand.workers, 'worker')}" if plan.unplaced else counted(placed, "worker")
    learner = f" and the learner on {plan.learner.node.name}" if plan.learner is not None else ""
    gpus = counted(sum(entry.node.gpus for entry in plan.nodes), f"{plan.kind} GPU")
    return f"{workers}{learner}; {gpus} on {counted(len(plan.nodes), 'node')}"


def _cells(plan: Plan, entry: NodePlan) -> Iterator[Text]:
    """Such as "1[ww.]", or "1[17w3.]" where letters would be too many."""
    each = plan.demand.workers_per_gpu
    free = entry.room.places - sum(entry.evaluators) - sum(entry.workers)
    for gpu in range(entry.node.gpus):
        cell = Text(f"{gpu}[")
        at = gpu - entry.learner_gpus
        if at < 0:
            counts = {LEARNER: each}
        elif at < len(entry.workers):
            seated = entry.evaluators[at] + entry.workers[at]
            more = min(free, entry.room.per_gpu - seated)
            free -= more
            rest = entry.room.per_gpu - seated - more
            counts = {EVALUATOR: entry.evaluators[at], WORKER: entry.workers[at], FREE: more, NONE: rest}
        else:
            counts = {NONE: each}
        for letter, count in counts.items():
            if count:
                cell.append(letter * count if each <= MOST_LETTERS else f"{count}{letter}", style=STYLES[letter])
        yield cell.append("]")
