"""Where a worker's CPU time goes at full load, as JSON and as a picture.

    python -m tests.benchmarks.worker_profile --out after.json
    python -m tests.benchmarks.worker_profile --draw before.json after.json --picture worker_profile.png

A real worker drives the embedded car into a real learner, whose trainer idles, with chunks of 64 steps. The kernel says
what each thread takes, and samples by py-spy, which must be installed (`pip install py-spy`), what the driving thread
does. Microseconds of CPU time a step.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import tyro

from tests.bare_client import BareClient, eventually
from tests.benchmarks.receivers import IDLE_TRAINER
from tests.benchmarks.rows import RESULTS
from tests.system.processes import fleet

PARTS: Final = {
    "act": ("onnxruntime", "actor.py"),
    "environment": ("steady_car.py", "simulators/"),
    "encode": ("trajectory.py", "tensor.py"),
    "hand over": ("outbox.py", "client.py", "push_stream.py"),
    "record": ("chunk_builder.py", "episode.py"),
    "check and watch": ("simulator.py", "deadline.py"),
    "explore": ("exploration.py",),
}
"""A sample of the driving thread counts for the first part of which a file is in its stack, from the innermost frame
outwards; else for the rollout's own loop."""
WAITS: Final = ("(threading.py", "_write_to_self")
"""Innermost frames that take no CPU time to speak of: for room in the outbox; and, when the sending thread was just
woken, for the interpreter's lock that it took, or for a processor."""
LOOP: Final = "loop"
SENDER: Final = "sending thread"
GRPC: Final = "gRPC's own threads"


@dataclass(frozen=True, kw_only=True)
class Flags:
    """What to do."""

    seconds: float = 10.0
    """Of sampling."""
    out: Path | None = None
    """Takes the figures as JSON."""
    draw: tuple[Path, ...] = ()
    """Draws figures kept earlier, a bar each, rather than measuring."""
    picture: Path = RESULTS / "worker_profile.png"
    """Takes the picture."""
    worker_flags: tuple[str, ...] = ()
    """More flags of the worker."""


def main(flags: Flags) -> None:
    """Measures or draws."""
    if flags.draw:
        _draw([json.loads(path.read_text()) for path in flags.draw], flags.picture)
        return
    if shutil.which("py-spy") is None:
        print("SKIPPED worker_profile: py-spy is not installed: pip install py-spy", file=sys.stderr)
        return
    figures = measure(flags)
    print(json.dumps(figures))
    if flags.out is not None:
        flags.out.write_text(json.dumps(figures) + "\n")


def measure(flags: Flags) -> dict[str, float]:
    """Microseconds a step, by part."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="worker_profile_")))
        machine = stack.enter_context(fleet(directory))
        client = machine.start_learner("--run-dir", str(directory / "run"), "--chunk-length", "64", *IDLE_TRAINER)
        wrapper = ("--env-wrapper", "tests.benchmarks.steady_car:SteadyCar")
        worker = machine.start_worker("--log-level", "WARNING", *wrapper, *flags.worker_flags)
        eventually(lambda: _transitions(client) > 10_000, "the worker drives", 120)
        samples = directory / "samples"
        command = ["py-spy", "record", "--nonblocking", "--threads", "--format", "raw", "--rate", "250"]
        command += ["--duration", str(round(flags.seconds)), "--output", str(samples), "--pid", str(worker.pid)]
        before, count, began = _thread_seconds(worker.pid), _transitions(client), time.monotonic()
        subprocess.run(command, check=True, capture_output=True)
        after, count = _thread_seconds(worker.pid), _transitions(client) - count
        print(f"{count / (time.monotonic() - began):,.0f} steps/s", file=sys.stderr)
        taken = {thread: 1e6 * (seconds - before.get(thread, 0.0)) / count for thread, seconds in after.items()}
        shares = _shares(samples.read_text(), str(worker.pid))
    sender = _sender(taken, worker.pid)
    figures = {part: taken[worker.pid] * share for part, share in shares.items()}
    figures[SENDER] = taken.pop(sender)
    figures[GRPC] = sum(taken.values()) - taken[worker.pid]
    return {part: round(microseconds, 2) for part, microseconds in figures.items()}


def _sender(taken: dict[int, float], main_thread: int) -> int:
    """The client's thread: of all but the driving one that which takes most."""
    return max((thread for thread in taken if thread != main_thread), key=lambda thread: taken[thread])


def _shares(samples: str, main_thread: str) -> dict[str, float]:
    """The share of each part in the driving thread's time."""
    counts: Counter[str] = Counter()
    for line in samples.splitlines():
        frames, _, count = line.rpartition(" ")
        thread, *stack = frames.split(";")
        if f"({main_thread})" in thread and stack and not any(wait in stack[-1] for wait in WAITS):
            counts[_part(stack)] += int(count)
    return {part: counts[part] / counts.total() for part in (*PARTS, LOOP)}


def _part(stack: list[str]) -> str:
    for frame in reversed(stack):
        for part, files in PARTS.items():
            if any(file in frame for file in files):
                return part
    return LOOP


def _thread_seconds(pid: int) -> dict[int, float]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return {int(task.name): int((task / "schedstat").read_text().split()[0]) / 1e9 for task in tasks}


def _transitions(client: BareClient) -> int:
    return int(client.status().transitions)


def _draw(bars: list[dict[str, float]], path: Path) -> None:
    # Matplotlib comes with the launcher; measuring does not need it.
    import matplotlib.pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(figsize=(9, 1.2 + 0.7 * len(bars)), layout="constrained")
    names = ["before", "after"] if len(bars) == 2 else [str(number) for number in range(1, len(bars) + 1)]
    left = [0.0] * len(bars)
    for number, part in enumerate((*PARTS, LOOP, SENDER, GRPC)):
        widths = [bar[part] for bar in bars]
        axes.barh(names, widths, left=left, label=part, color=f"C{number}")
        for row, (start, width) in enumerate(zip(left, widths, strict=True)):
            if width >= 1.5:
                axes.text(start + width / 2, row, f"{width:.0f}", ha="center", va="center", fontsize=8)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    axes.invert_yaxis()
    axes.set_xlabel("CPU time of a worker, microseconds a step")
    axes.legend(ncols=5, loc="lower center", bbox_to_anchor=(0.5, 1.0), fontsize=8, frameon=False)
    figure.savefig(path, dpi=120)
    print(path)


if __name__ == "__main__":
    main(tyro.cli(Flags, description=__doc__))
