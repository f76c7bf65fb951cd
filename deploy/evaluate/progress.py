"""Progress while driving: a bar on a terminal, else a plain line every few seconds."""

import time
from types import TracebackType
from typing import Final, Self

from rich import progress
from rich.console import Console

LINE_PERIOD_SECONDS: Final = 5.0
"""Time between two plain lines."""


class Progress:
    """Shows how far the policy that drives now has come, while it is entered."""

    def __init__(self, console: Console) -> None:
        self._console = console
        # Drawn when there is news, by the main thread.
        self._bars = progress.Progress(
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(),
            progress.TextColumn("{task.fields[news]}", markup=False),
            console=console,
            auto_refresh=False,
            transient=True,
        )
        self._task = progress.TaskID(0)
        self._name = ""
        self._total = 0
        self._shown_seconds = 0.0

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bars.stop()

    def begin(self, name: str, total: int) -> None:
        """The policy `name` drives from now on, until `total` is reached."""
        self._name, self._total, self._shown_seconds = name, total, time.monotonic()
        self._task = self._bars.add_task(name, total=total, news="")

    def show(self, done: int, news: str) -> None:
        """Shows how much is done; as a plain line only if the last is some seconds old or all is done."""
        if self._console.is_terminal:
            self._bars.update(self._task, completed=min(done, self._total), news=news, refresh=True)
            return
        now = time.monotonic()
        if done >= self._total or now - self._shown_seconds >= LINE_PERIOD_SECONDS:
            self._shown_seconds = now
            self._console.print(f"{self._name}  {news}", markup=False, soft_wrap=True)
