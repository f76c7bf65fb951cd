"""The rows that a benchmark leaves: one JSON object a line."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

RESULTS: Final = Path(__file__).parent / "results"


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes the rows, whole or not at all.

    Raises:
        OSError: the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    new.write_text("".join(json.dumps(row) + "\n" for row in rows))
    new.replace(path)


def stated(flags: Any) -> dict[str, Any]:
    """A dataclass of flags, less its paths, to go with a result."""
    return {name: value for name, value in asdict(flags).items() if not isinstance(value, Path | None)}
