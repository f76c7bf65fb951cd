"""How soon workers have a new policy version, while they stream.

    python -m tests.benchmarks.distribution --quick

A real learner trains and publishes every tenth of a second an actor of 2 x 256 units, about 300 KB; clients stream
chunks, hear of versions by acknowledgements, fetch and decode them as workers do. A version has reached a client once
that holds it or a newer one. Time counts from the learner's stamp on the version, which precedes its encoding.
"""

import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import tyro

from tests.benchmarks.comparison import Comparison, Report, percentile, rounded
from tests.benchmarks.generators import Generators
from tests.benchmarks.load import Arrival, Load
from tests.benchmarks.training_learner import training_learner

NEVER = float("inf")


@dataclass(frozen=True, kw_only=True)
class Flags:
    """Who listens, and to what."""

    streams: int = 64
    versions_per_second: float = 10.0
    rate: float = 5_000.0
    """Transitions a second of ingest, all streams together."""
    hidden_sizes: tuple[int, int] = (256, 256)
    """Of the actor."""
    clients: int = 2
    """Processes that hold the streams."""
    seconds: float = 20.0
    """Of each round."""
    rounds: int = 3
    quick: bool = False
    """One short round."""
    keep: bool = False
    """Keep the rows in results/."""


def delays(arrivals: Iterable[Arrival], began: float, ended: float, clients: int) -> list[list[float]]:
    """For each version published between two instants of Unix time, the seconds until each client had it.

    A client that had not got so far when the round ended counts as infinitely late. A version that no client fetched,
    since a newer one had come out, is not seen here.

    Raises:
        RuntimeError: a client got no version at all.
    """
    by_client: dict[str, list[Arrival]] = defaultdict(list)
    published: dict[int, float] = {}
    for arrival in arrivals:
        by_client[arrival.stream].append(arrival)
        published[arrival.version] = arrival.published_at
    if len(by_client) != clients:
        raise RuntimeError(f"{len(by_client)} of {clients} clients got a version; each should at its start")
    versions = [version for version, at in published.items() if began <= at <= ended]
    return [
        [
            min((one.arrived_at for one in client if one.version >= version), default=NEVER) - published[version]
            for client in by_client.values()
        ]
        for version in versions
    ]


def main(flags: Flags) -> None:
    """Measures and prints."""
    if flags.quick:
        flags = replace(flags, rounds=1, seconds=3.0)
    report = Report("distribution", flags)
    all_delays, rates, sizes, shares = [], [], [0], []
    with ExitStack() as stack:
        generators = Generators(flags.clients, stack)
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="distribution_"))) / "learner"
        period = ("--publish-period-seconds", str(1 / flags.versions_per_second))
        sizes_flag = ("--actor-hidden-sizes", *(str(size) for size in flags.hidden_sizes))
        learner = stack.enter_context(training_learner(directory, generators, *period, *sizes_flag))
        load = Load(
            target="learner",
            address=learner.address,
            streams=flags.streams,
            period_seconds=flags.streams * 64 / flags.rate,
            fetch=True,
        )
        for _ in range(flags.rounds):
            with generators.running(load) as tally:
                time.sleep(1.0)
                before, began = learner.read(), time.time()
                time.sleep(flags.seconds)
                after, ended = learner.read(), time.time()
                # What was published last has some time to arrive.
                time.sleep(1.0)
            all_delays.append(delays(tally.arrivals, began, ended, flags.streams))
            seconds = after.at - before.at
            rates.append((after.version - before.version) / seconds)
            shares.append((after.process_seconds - before.process_seconds) / seconds)
            sizes = [arrival.size for arrival in tally.arrivals]
    every = [[delay for version in one for delay in version] for one in all_delays]
    last = [max(version) for one in all_delays for version in one]
    report.add(
        [
            Comparison(
                name="policy_publish_p99_seconds",
                unit="s",
                values=[percentile(one, 0.99) for one in every],
                demand="< 1",
                details={
                    "median_seconds": rounded(percentile([delay for one in every for delay in one], 0.5)),
                    "last_client_p99_seconds": rounded(percentile(last, 0.99)),
                    "versions_per_second": [rounded(rate) for rate in rates],
                    "bytes_per_version_and_worker": max(sizes),
                    "learner_cores": [rounded(share) for share in shares],
                },
            )
        ]
    )
    report.close()


if __name__ == "__main__":
    main(tyro.cli(Flags, description=__doc__))
