"""What a batch from replay costs over the bare gathers, what it allocates, and what other libraries' cost.

    python -m tests.benchmarks.sampling --quick

The floor is two `numpy.take(out=...)` of as many random observation rows: random access costs many times a contiguous
copy, so that a copy would be no honest baseline. Rounds are blocks of calls taken by turns, in CPU time of the thread.
`sampling_vs_gather` without a slash is the worst of the batch sizes. Other libraries' rows have the same floor.
"""

import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import tyro

from learner_service.replay.columns import ring_columns
from learner_service.replay.ring import ReplayRing
from learner_service.replay.sampler import Sampler
from learner_service.replay.sampling import Sampling
from tests.benchmarks.comparison import Comparison, Report, Skipped
from tests.benchmarks.full_ring import N_STEP, ROWS, WIDTH, full_ring
from tests.benchmarks.peer_buffers import DISCOUNT, PEERS
from tests.benchmarks.pour import SPACES

WARM_UP_CALLS = 10


@dataclass(frozen=True, kw_only=True)
class Flags:
    """What to sample."""

    batch_sizes: tuple[int, ...] = (256, 1024, 8192)
    calls: int = 50
    """Of a block."""
    rounds: int = 15
    peers: tuple[str, ...] = tuple(PEERS)
    """Libraries to compare with, skipped where they are not installed."""
    quick: bool = False
    """Few rounds, and no peers."""
    keep: bool = False
    """Keep the rows in results/."""


def microseconds(call: Callable[[], object], count: int) -> float:
    """A call's CPU time, the mean of a block."""
    started = time.thread_time()
    for _ in range(count):
        call()
    return 1e6 * (time.thread_time() - started) / count


def gathers(ring: ReplayRing, batch_size: int) -> Callable[[], None]:
    """The floor: the two takes of random rows, whose numbers come from a stock drawn beforehand."""
    column = ring.observation["observation"]
    random = np.random.default_rng(1)
    drawn = [random.integers(ROWS - N_STEP, size=batch_size) for _ in range(256)]
    stock = [(rows, rows + N_STEP) for rows in drawn]
    out = np.empty((2, batch_size, WIDTH), np.float32)
    turn = 0

    def gather() -> None:
        nonlocal turn
        rows, following = stock[turn]
        turn = (turn + 1) % len(stock)
        np.take(column, rows, axis=0, out=out[0], mode="clip")
        np.take(column, following, axis=0, out=out[1], mode="clip")

    return gather


def allocated_bytes(call: Callable[[], object]) -> int:
    """The most memory that a call holds beyond what it found, by tracemalloc, which sees NumPy's arrays."""
    tracemalloc.start()
    try:
        call()
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        call()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return peak - before


def compare(flags: Flags, ring: ReplayRing, batch_size: int) -> Iterator[Comparison | Skipped]:
    """Rows of one batch size."""
    sampler = Sampler(ring, Sampling(batch_size=batch_size, n_step=N_STEP, discount=DISCOUNT), seed=0)
    calls: dict[str, Callable[[], object]] = {"gather": gathers(ring, batch_size), "sample": sampler.sample}
    for name in flags.peers:
        try:
            calls[name] = PEERS[name](ROWS, WIDTH, batch_size, N_STEP)
        except ImportError as error:
            yield Skipped(name=f"sampling_{name}/{batch_size}", reason=f"{error}: pip install it to compare")
    for call in calls.values():
        microseconds(call, WARM_UP_CALLS)
    blocks: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(flags.rounds):
        for name, call in calls.items():
            blocks[name].append(microseconds(call, flags.calls))
    for name in calls:
        if name != "gather":
            yield Comparison(
                name=f"sampling_vs_gather/{batch_size}" if name == "sample" else f"sampling_{name}/{batch_size}",
                unit="us",
                values=blocks[name],
                baselines=blocks["gather"],
                demand="<= 2" if name == "sample" else "",
            )
    batch = sampler.sample()
    returned = sum(
        column.nbytes
        for column in (
            *batch.observation.values(),
            *batch.next_observation.values(),
            batch.action,
            batch.n_step_return,
            batch.bootstrap_discount,
        )
    )
    yield Comparison(
        name=f"sampling_allocation/{batch_size}",
        unit="bytes a call",
        values=[allocated_bytes(sampler.sample)],
        baselines=[returned],
        demand="objects only, < 1024",
    )


def image_copies() -> Comparison:
    """How much of replay an image of 64 x 64 x 3 takes, by its bytes: 2 in buffers that keep obs and next_obs."""
    spaces = SPACES["image"]
    (box,) = spaces.observation.values()
    stored = sum(column.row_bytes for column in ring_columns(spaces) if column.of_states)
    # A chunk of 64 transitions takes a row more.
    return Comparison(
        name="sampling_image_copies", unit="x", values=[stored / box.low.nbytes * 65 / 64], demand="about 1"
    )


def main(flags: Flags) -> None:
    """Measures and prints."""
    if flags.quick:
        flags = replace(flags, rounds=3, calls=20, peers=())
    report = Report("sampling", flags)
    ring = full_ring()
    rows: list[Comparison | Skipped] = []
    for batch_size in flags.batch_sizes:
        new = list(compare(flags, ring, batch_size))
        report.add(new)
        rows += new
    ours = [row for row in rows if isinstance(row, Comparison) and row.name.startswith("sampling_vs_gather/")]
    worst = max(ours, key=lambda row: statistics.median(row.ratios))
    report.add([image_copies(), replace(worst, name="sampling_vs_gather", details={"at": worst.name})])
    report.close()


if __name__ == "__main__":
    main(tyro.cli(Flags, description=__doc__))
