"""How many real-time workers one learner takes: their load, made by a few processes.

    python -m tests.benchmarks.scale --workers 64 512 --minutes 10

Each of W streams has a connection of its own, sends a chunk of 64 steps whenever a simulator at 20 Hz would have driven
one, and fetches every policy version as workers do. The learner trains with its default settings; with
samples_per_insert_min at 0 nothing holds workers back but its speed. `scale_W` is the share of W x 20 transitions a
second that was committed; the row tells memory's slope over the second half beside it.
"""

import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from tests.benchmarks.comparison import Comparison, Report, percentile, rounded
from tests.benchmarks.footprint import MEGABYTE, megabytes
from tests.benchmarks.generators import Generators
from tests.benchmarks.load import Load, Tally
from tests.benchmarks.training_learner import Reading, TrainingLearner, training_learner

CHUNK_LENGTH = 64


@dataclass(frozen=True, kw_only=True)
class Flags:
    """Whom to imitate, and for how long."""

    workers: tuple[int, ...] = (64, 512)
    rate: float = 20.0
    """Steps a second of each worker."""
    clients: int = 2
    """Processes that hold the streams."""
    minutes: float = 10.0
    """For each number of workers."""
    sample_seconds: float = 5.0
    """Between two looks at memory; committed transitions are compared over each interval of twelve."""
    fetch: bool = True
    """Whether workers fetch policy versions."""
    learner_flags: tuple[str, ...] = ()
    """Further flags of the learner."""
    quick: bool = False
    """A few seconds, whose slope of memory means nothing."""
    keep: bool = False
    """Keep the rows in results/."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The learner at one instant."""

    reading: Reading
    anonymous_bytes: int
    """Its own memory; replay's files are the kernel's to drop."""


def observe(flags: Flags, learner: TrainingLearner, seconds: float) -> list[Sample]:
    """Samples until the time is over, one at each end included."""
    samples = [Sample(reading=learner.read(), anonymous_bytes=learner.footprint().anonymous_bytes)]
    began = samples[0].reading.at
    while (left := began + seconds - time.monotonic()) > 0:
        time.sleep(min(left, flags.sample_seconds))
        samples.append(Sample(reading=learner.read(), anonymous_bytes=learner.footprint().anonymous_bytes))
    return samples


def slope_mb_per_hour(samples: list[Sample]) -> float:
    """Of anonymous memory over the second half, by least squares."""
    half = samples[len(samples) // 2 :] if len(samples) > 3 else samples
    hours = [sample.reading.at / 3600 for sample in half]
    return float(np.polyfit(np.subtract(hours, hours[0]), [one.anonymous_bytes / MEGABYTE for one in half], 1)[0])


def conclude(flags: Flags, workers: int, samples: list[Sample], tally: Tally) -> Comparison:
    """The row of one number of workers."""
    # Intervals of about a minute, so that the spread shows whether it keeps up throughout.
    ends = [*samples[:-1:12], samples[-1]]
    committed = [
        (after.reading.transitions - before.reading.transitions) / (after.reading.at - before.reading.at)
        for before, after in pairwise(ends)
    ]
    first, last = samples[0].reading, samples[-1].reading
    seconds = last.at - first.at
    details: dict[str, Any] = {
        "ack_p99_seconds": rounded(percentile([one.seconds for one in tally.acknowledgements], 0.99)),
        "learner_cores": rounded((last.process_seconds - first.process_seconds) / seconds),
        "updates_per_second": rounded((last.updates - first.updates) / seconds),
        "versions": last.version - first.version,
        "anonymous_start_mb": megabytes(samples[0].anonymous_bytes),
        "anonymous_end_mb": megabytes(samples[-1].anonymous_bytes),
        "slope_mb_per_hour": rounded(slope_mb_per_hour(samples)),
    }
    if tally.arrivals:
        delays = [arrival.arrived_at - arrival.published_at for arrival in tally.arrivals]
        details |= {"version_p99_seconds": rounded(percentile(delays, 0.99))}
    return Comparison(
        name=f"scale_{workers}",
        unit="transitions/s",
        values=committed,
        baselines=[workers * flags.rate] * len(committed),
        demand=">= 0.95",
        details=details,
    )


def main(flags: Flags) -> None:
    """Measures and prints."""
    period = CHUNK_LENGTH / flags.rate
    seconds = 60 * flags.minutes
    if flags.quick:
        # Two periods: each worker sends as many chunks whenever the window begins.
        flags, seconds = replace(flags, workers=flags.workers[:1], sample_seconds=1.0), 2 * period
    report = Report("scale", flags)
    with ExitStack() as stack:
        generators = Generators(flags.clients, stack)
        parent = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="scale_")))
        for workers in flags.workers:
            with training_learner(parent / str(workers), generators, *flags.learner_flags) as learner:
                load = Load(
                    target="learner",
                    address=learner.address,
                    streams=workers,
                    period_seconds=period,
                    fetch=flags.fetch,
                )
                with generators.running(load) as tally:
                    time.sleep(0.5 if flags.quick else 3 * period)
                    samples = observe(flags, learner, seconds)
                report.add([conclude(flags, workers, samples, tally)])
    report.close()


if __name__ == "__main__":
    main(tyro.cli(Flags, description=__doc__))
