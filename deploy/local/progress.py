"""Live progress of a job: a table that renews itself on a terminal, else a plain line every few seconds."""

import time
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from deploy.local.status import flow_state_name, median_staleness
from distrib_l2r.v1 import status_pb2

LINE_PERIOD_SECONDS: Final = 5.0
"""Time between two plain lines."""

BAR_COLUMNS: Final = 48
"""Width of the bar of training time."""


@dataclass(frozen=True, kw_only=True)
class Moment:
    """What is shown at one time."""

    phase: str
    """What the job does now."""
    training_total_seconds: float
    """How long it shall train."""
    status: status_pb2.RunStatus | None = None
    """The learner's newest; None before its first."""
    workers_alive: int = 0
    """The evaluator included."""
    restarts: int = 0
    """Workers started again so far."""

    def figures(self) -> list[tuple[str, str]]:
        """Names and texts of everything known, in the order shown."""
        status = self.status
        if status is None:
            return []
        left = max(0.0, self.training_total_seconds - status.training_seconds)
        figures = [
            ("trained", f"{clock(status.training_seconds)} of {clock(self.training_total_seconds)}"),
            ("time left", clock(left)),
            ("steps", f"{status.transitions:,} ({status.transitions_per_second:,.0f}/s)"),
            ("updates", f"{status.updates:,} ({status.updates_per_second:,.0f}/s)"),
            ("samples per insert", f"{status.samples_per_insert:.1f}"),
            ("policy version", f"{status.policy_version}"),
        ]
        staleness = median_staleness(status.staleness)
        if staleness is not None:
            figures.append(("staleness", f"{staleness} version{'' if staleness == 1 else 's'} (median)"))
        for name, record in (("newest lap", "newest_lap"), ("best lap", "best_lap")):
            if status.HasField(record):  # type: ignore[arg-type]  # a field's name, chosen above
                figures.append((name, f"{getattr(status, record).lap.time_seconds:.3f} s"))
        if status.laps_total:
            figures.append(("clean laps", f"{status.laps_clean} of {status.laps_total}"))
        if status.HasField("newest_evaluation"):
            figures.append(("evaluation return", f"{status.newest_evaluation.mean_return:,.1f}"))
        figures.append(("flow", flow_state_name(status.flow_state)))
        if self.restarts:
            figures.append(("workers restarted", f"{self.restarts}"))
        return figures


class Progress:
    """Shows the newest moment while it is entered."""

    def __init__(self, console: Console | None = None) -> None:
        """Shows on `console`; standard output if not given."""
        self.console = console or Console(highlight=False)
        # Drawn when there is news, by the main thread: no other thread means no fork beside a held lock.
        self._live = Live(console=self.console, auto_refresh=False, transient=True)
        self._shown_phase = ""
        self._shown_seconds = float("-inf")

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, moment: Moment) -> None:
        """Shows `moment`; a plain line only if the last is some seconds old or another phase begins."""
        if self.console.is_terminal:
            self._live.update(_table(moment), refresh=True)
            return
        now = time.monotonic()
        if moment.phase != self._shown_phase or now - self._shown_seconds >= LINE_PERIOD_SECONDS:
            self._shown_phase, self._shown_seconds = moment.phase, now
            parts = [moment.phase, *(f"{name} {text}" for name, text in moment.figures())]
            self.console.print(Text("  ".join(parts)), soft_wrap=True)


def clock(seconds: float) -> str:
    """Minutes and seconds as 8:05."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


def _table(moment: Moment) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", justify="right")
    table.add_column(overflow="fold")
    table.add_row("job", Text(moment.phase, style="bold"))
    if moment.status is not None:
        done = min(moment.status.training_seconds, moment.training_total_seconds)
        table.add_row("", ProgressBar(total=moment.training_total_seconds, completed=done, width=BAR_COLUMNS))
        table.add_row("workers", f"{moment.workers_alive} alive")
    for name, text in moment.figures():
        table.add_row(name, Text(text))
    if moment.status is not None:
        table.add_row("", Text(moment.status.flow_detail, style="dim"))
    return table
