"""A figure beside its baseline: medians of rounds taken by turns, as a row of JSON and as a line of a table."""

import json
import os
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.benchmarks.rows import RESULTS, stated, write_rows

MOST_COLUMNS = 160
"""Width of the table where the terminal does not say."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What one thing measured, round by round."""

    name: str
    """Of the row; the headline's has no slash."""
    unit: str
    values: Sequence[float]
    """One a round."""
    baselines: Sequence[float] = ()
    """Measured in the same rounds; empty where there is nothing to compare with."""
    demand: str = ""
    """What the ratio, or the value where there is none, should be."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """More for the row of JSON."""

    @property
    def ratios(self) -> list[float]:
        """Value over baseline, round by round."""
        return [value / baseline for value, baseline in zip(self.values, self.baselines, strict=True)]

    def row(self) -> dict[str, Any]:
        """Medians; the spread is that of the ratios, or of the values where there is no baseline."""
        spread = self.ratios if self.baselines else list(self.values)
        return {
            "name": self.name,
            "value": rounded(statistics.median(self.values)),
            "unit": self.unit,
            "baseline": rounded(statistics.median(self.baselines)) if self.baselines else None,
            "ratio": rounded(statistics.median(self.ratios)) if self.baselines else None,
            "spread": [rounded(min(spread)), rounded(max(spread))],
            "rounds": len(self.values),
            "demand": self.demand,
            **self.details,
        }


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """What could not be measured here."""

    name: str
    reason: str

    def row(self) -> dict[str, Any]:
        """Nothing but the reason."""
        return {"name": self.name, "value": None, "unit": "", "baseline": None, "ratio": None, "skipped": self.reason}


class Report:
    """Rows as they come, each printed at once; in the end a table on standard error, so that lines stay JSON.

    Args:
        name: of the benchmark.
        flags: its dataclass of flags; `keep` in it, if true, keeps the rows as results/NAME.json.
    """

    def __init__(self, name: str, flags: Any) -> None:
        self._name = name
        self._flags = flags
        self._rows: list[dict[str, Any]] = []

    def add(self, entries: Iterable[Comparison | Skipped]) -> None:
        """Prints rows."""
        for entry in entries:
            row = entry.row()
            self._rows.append(row)
            print(json.dumps(row), flush=True)
            if isinstance(entry, Skipped):
                print(f"SKIPPED {entry.name}: {entry.reason}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Prints flags and the table, and keeps the rows where told to."""
        flags = {"name": f"{self._name}_flags", **stated(self._flags), "load_average": os.getloadavg()[0]}
        print(json.dumps(flags), flush=True)
        table = Table(title=f"{self._name} (load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores)")
        table.add_column("name", no_wrap=True)
        for heading in ("value", "unit", "baseline", "ratio", "spread", "demand"):
            table.add_column(heading, justify="left" if heading in ("unit", "demand") else "right")
        for row in self._rows:
            if "skipped" in row:
                table.add_row(row["name"], "skipped", "", "", "", "", row["skipped"])
                continue
            low, high = row["spread"]
            figures = [shown(row[key]) for key in ("value", "baseline", "ratio")]
            spread = f"{shown(low)} .. {shown(high)}"
            table.add_row(row["name"], figures[0], row["unit"], *figures[1:], spread, row["demand"])
        Console(stderr=True, width=None if sys.stderr.isatty() else MOST_COLUMNS).print(table)
        if self._flags.keep:
            path: Path = RESULTS / f"{self._name}.json"
            write_rows(path, [*self._rows, flags])


def rounded(value: float) -> float:
    """Four significant digits."""
    return float(f"{value:.4g}")


def shown(value: float | None) -> str:
    """For the table."""
    return "" if value is None else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def percentile(values: Sequence[float], share: float) -> float:
    """The least value that this share of all do not exceed.

    Raises:
        ValueError: there are none.
    """
    if not values:
        raise ValueError("0 values were measured; a percentile needs at least one: measure for longer")
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]
