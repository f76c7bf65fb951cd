"""What ingest costs the trainer, and how long acknowledgements take meanwhile.

    python -m tests.benchmarks.interference --quick

A real learner trains with its default settings, with neither side waiting for the other, by turns idle and under paced
ingest from real client processes. `trainer_under_ingest` compares updates a CPU second of the trainer's thread: what
another process takes of the machine does not count, what the interpreter lock and caches cost does; updates a
wall-clock second are beside it. `ack_p99_seconds` is from just before a chunk's write to its acknowledgement, over all
rounds; on a machine with anything else to do it measures that.
"""

import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import tyro

from tests.benchmarks.comparison import Comparison, Report, percentile, rounded
from tests.benchmarks.generators import Generators
from tests.benchmarks.load import Load
from tests.benchmarks.training_learner import Reading, TrainingLearner, training_learner


@dataclass(frozen=True, kw_only=True)
class Flags:
    """How much to ingest, and for how long."""

    rate: float = 50_000.0
    """Transitions a second, all streams together."""
    streams: int = 16
    chunk_length: int = 64
    clients: int = 2
    """Processes that pour."""
    seconds: float = 6.0
    """Of each half of a round."""
    warm_up: float = 1.0
    rounds: int = 5
    learner_flags: tuple[str, ...] = ()
    """Further flags of the learner."""
    quick: bool = False
    """One short round."""
    keep: bool = False
    """Keep the rows in results/."""


def window(flags: Flags, learner: TrainingLearner) -> tuple[Reading, Reading]:
    """Readings at both ends of a half round."""
    time.sleep(flags.warm_up)
    before = learner.read()
    time.sleep(flags.seconds)
    return before, learner.read()


def updates_by_cpu(before: Reading, after: Reading) -> float:
    """Updates a CPU second of the trainer's thread."""
    return (after.updates - before.updates) / max(after.trainer_seconds - before.trainer_seconds, 0.01)


def updates_by_wall(before: Reading, after: Reading) -> float:
    """Updates a second."""
    return (after.updates - before.updates) / (after.at - before.at)


def main(flags: Flags) -> None:
    """Measures and prints."""
    if flags.quick:
        flags = replace(flags, rounds=1, seconds=2.0, warm_up=0.5)
    report = Report("interference", flags)
    idle, busy, latencies = [], [], []
    with ExitStack() as stack:
        generators = Generators(flags.clients, stack)
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="interference_"))) / "learner"
        learner_flags = ("--chunk-length", str(max(64, flags.chunk_length)), *flags.learner_flags)
        learner = stack.enter_context(training_learner(directory, generators, *learner_flags))
        load = Load(
            target="learner",
            address=learner.address,
            chunk_length=flags.chunk_length,
            streams=flags.streams,
            period_seconds=flags.streams * flags.chunk_length / flags.rate,
        )
        for _ in range(flags.rounds):
            idle.append(window(flags, learner))
            with generators.running(load) as tally:
                busy.append(window(flags, learner))
            before, after = busy[-1]
            latencies.append([one.seconds for one in tally.acknowledgements if before.at <= one.at <= after.at])
    rates = [(after.transitions - before.transitions) / (after.at - before.at) for before, after in busy]
    wall = [
        updates_by_wall(*with_ingest) / updates_by_wall(*alone) for with_ingest, alone in zip(busy, idle, strict=True)
    ]
    every = [seconds for one in latencies for seconds in one]
    report.add(
        [
            Comparison(
                name="trainer_under_ingest",
                unit="updates/trainer CPU s",
                values=[updates_by_cpu(*pair) for pair in busy],
                baselines=[updates_by_cpu(*pair) for pair in idle],
                demand=">= 0.9",
                details={
                    "by_wall_clock": [rounded(ratio) for ratio in wall],
                    "transitions_per_second": [rounded(rate) for rate in rates],
                },
            ),
            Comparison(
                name="ack_p99_seconds",
                unit="s",
                values=[percentile(one, 0.99) for one in latencies],
                demand="<= 0.25",
                details={"median_seconds": rounded(percentile(every, 0.5)), "acknowledgements": len(every)},
            ),
        ]
    )
    report.close()


if __name__ == "__main__":
    main(tyro.cli(Flags, description=__doc__))
