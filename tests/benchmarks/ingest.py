"""Transitions a second into replay, against what gRPC and TCP allow, the ancestor's scheme and dm-reverb.

    python -m tests.benchmarks.ingest --quick

A real learner process and real client processes; chunks are serialised once, so that the clients' share of the machine
is the same for all. Receivers take turns round by round with the same messages: the learner with replay on the disk,
the learner with replay in memory, a grpc.aio server that reads into nothing, sockets read into nothing, and the
ancestor's scheme (for vectors). The trainer idles; `interference` measures what ingest costs it.

Rows are named ingest_vs_bare_grpc/OBSERVATION/CHUNK/STREAMS/STORAGE and so on; those without a slash repeat the
configuration that runs have by default: vectors, chunks of 64, 16 streams, replay on the disk. Throughputs are
transitions a wall-clock second; against the ancestor's scheme transitions a CPU second of the receiving process count,
and for both sides together in `with_senders`, which leaves out encoding on both sides.
"""

import itertools
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import tyro

from tests.benchmarks import receivers, reverb_environment
from tests.benchmarks.comparison import Comparison, Report, Skipped
from tests.benchmarks.generators import Generators
from tests.benchmarks.load import Load
from tests.benchmarks.receivers import Receiver, Window, measure

DEFAULT: Final = ("vector", 64, 16, 1)
STORAGES: Final = {"disk": (), "memory": ("--memory-only",)}
"""A learner's flags for each."""


@dataclass(frozen=True, kw_only=True)
class Flags:
    """What to pour."""

    observations: tuple[str, ...] = ("vector", "image")
    chunks: tuple[int, ...] = (16, 64, 256)
    streams: tuple[int, ...] = (1, 4, 16, 64)
    storages: tuple[str, ...] = ("disk", "memory")
    """Where replay is kept."""
    messages: tuple[int, ...] = (1, 4, 16)
    """Chunks in each message, on every side; more than one with the default number of streams alone."""
    clients: int = 2
    """Processes that pour."""
    seconds: float = 2.0
    """Of each measurement."""
    warm_up: float = 0.5
    rounds: int = 5
    reverb: bool = True
    """Compare with dm-reverb, installing it in build/reverb first."""
    quick: bool = False
    """The default configuration alone, briefly; dm-reverb where it is installed already."""
    keep: bool = False
    """Keep the rows in results/."""


Rounds = dict[str, list[Window]]


def pour(flags: Flags, observation: str, chunk: int, generators: Generators) -> Iterator[tuple[Load, Rounds]]:
    """Windows of every receiver, for each number of streams."""
    base = Load(target="learner", address="", observation=observation, chunk_length=chunk)
    with tempfile.TemporaryDirectory(prefix="ingest_") as name, ExitStack() as stack:
        directory = Path(name)
        # Two messages in flight, and at least the default.
        window = str(max(8, 2 * max(flags.messages)))
        candidates: dict[str, Receiver] = {
            storage: receivers.learner(
                stack, directory / storage, base, *STORAGES[storage], "--max-in-flight-chunks", window
            )
            for storage in flags.storages
        }
        candidates |= {"bare_grpc": receivers.bare(stack), "raw_tcp": receivers.tcp(stack, base)}
        if observation == "vector":
            candidates["pickle"] = receivers.pickled(stack, base)
        for streams, messages in itertools.product(flags.streams, flags.messages):
            if messages > 1 and streams != DEFAULT[2]:
                continue
            shape = replace(base, streams=streams, message_chunks=messages)
            rounds: Rounds = defaultdict(list)
            for _ in range(flags.rounds):
                for key, receiver in candidates.items():
                    load = replace(shape, target=receiver.target, address=receiver.address)
                    measured = measure(generators, receiver, load, warm_up=flags.warm_up, seconds=flags.seconds)
                    rounds[key].append(measured)
            yield shape, rounds


def compare(load: Load, rounds: Rounds) -> Iterator[Comparison]:
    """Rows of one configuration."""
    configuration = f"{load.observation}/{load.chunk_length}/{load.streams}/{load.message_chunks}"
    length = load.chunk_length

    def rate(key: str) -> list[float]:
        return [length * window.chunks / window.seconds for window in rounds[key]]

    for storage in sorted(rounds.keys() & STORAGES.keys()):
        yield Comparison(
            name=f"ingest_vs_bare_grpc/{configuration}/{storage}",
            unit="transitions/s",
            values=rate(storage),
            baselines=rate("bare_grpc"),
            demand=">= 0.8",
            details={"receiver_cpu_share": _share(rounds[storage]), "bare_cpu_share": _share(rounds["bare_grpc"])},
        )
        yield Comparison(
            name=f"ingest_vs_raw_tcp/{configuration}/{storage}",
            unit="transitions/s",
            values=rate(storage),
            baselines=rate("raw_tcp"),
        )
        if "pickle" in rounds:
            yield Comparison(
                name=f"ingest_vs_pickle/{configuration}/{storage}",
                unit="transitions/receiver CPU s",
                values=_by_cpu(rounds[storage], length),
                baselines=_by_cpu(rounds["pickle"], length),
                demand=">= 40",
                details={
                    "with_senders": round(
                        _by_all_cpu(rounds[storage], length) / _by_all_cpu(rounds["pickle"], length), 2
                    )
                },
            )


def headlines(rows: list[Comparison]) -> Iterator[Comparison]:
    """The default configuration, with the least ratio over all configurations beside it."""
    observation, chunk, streams, messages = DEFAULT
    for name in ("ingest_vs_bare_grpc", "ingest_vs_pickle"):
        family = [row for row in rows if row.name.startswith(name + "/")]
        lowest = min(family, key=lambda row: row.row()["ratio"], default=None)
        for row in family:
            if row.name == f"{name}/{observation}/{chunk}/{streams}/{messages}/disk" and lowest is not None:
                details = {"lowest": lowest.row()["ratio"], "lowest_at": lowest.name}
                yield replace(row, name=name, details={**row.details, **details})


def versus_reverb(flags: Flags, generators: Generators) -> Comparison | Skipped:
    """Transitions a second against items a second, in the default configuration."""
    name = "ingest_vs_reverb"
    if not flags.reverb or (flags.quick and not reverb_environment.installed()):
        return Skipped(name=name, reason="not wanted, or not installed yet, which a run without --quick does")
    observation, chunk, streams, _ = DEFAULT
    load = Load(target="learner", address="", observation=observation, chunk_length=chunk, streams=streams)
    ours, theirs = [], []
    with tempfile.TemporaryDirectory(prefix="ingest_") as directory, ExitStack() as stack:
        try:
            reverb_environment.install()
            learner = receivers.learner(stack, Path(directory) / "learner", load)
            load = replace(load, address=learner.address)
            for _ in range(flags.rounds):
                ours.append(measure(generators, learner, load, warm_up=flags.warm_up, seconds=flags.seconds))
                theirs.append(reverb_environment.items(flags.seconds, flags.clients))
        except reverb_environment.ReverbMissingError as error:
            return Skipped(name=name, reason=str(error))
    return Comparison(
        name=name,
        unit="transitions/s",
        values=[chunk * window.chunks / window.seconds for window in ours],
        baselines=[row["items_per_second"] for row in theirs],
        demand=">= 40",
        details={
            "transitions_per_receiver_cpu_second": round(_by_cpu(ours, chunk)[-1]),
            "items_per_server_cpu_second": round(theirs[-1]["items_per_server_cpu_second"]),
        },
    )


def _by_cpu(windows: list[Window], length: int) -> list[float]:
    return [length * window.chunks / max(window.receiver_seconds, 0.01) for window in windows]


def _by_all_cpu(windows: list[Window], length: int) -> float:
    seconds = sum(window.receiver_seconds + window.senders_seconds for window in windows)
    return length * sum(window.chunks for window in windows) / seconds


def _share(windows: list[Window]) -> float:
    """Of a core that the receiver took."""
    return round(sum(window.receiver_seconds for window in windows) / sum(window.seconds for window in windows), 2)


def main(flags: Flags) -> None:
    """Measures and prints."""
    if flags.quick:
        observation, chunk, streams, messages = DEFAULT
        one: dict[str, Any] = {
            "observations": (observation,),
            "chunks": (chunk,),
            "streams": (streams,),
            "messages": (messages, 4),
            "storages": ("disk",),
        }
        flags = replace(flags, **one, seconds=0.8, warm_up=0.2, rounds=1)
    report = Report("ingest", flags)
    rows: list[Comparison] = []
    with ExitStack() as stack:
        generators = Generators(flags.clients, stack)
        for observation in flags.observations:
            for chunk in flags.chunks:
                for load, rounds in pour(flags, observation, chunk, generators):
                    new = list(compare(load, rounds))
                    report.add(new)
                    rows += new
        report.add(headlines(rows))
        report.add([versus_reverb(flags, generators)])
    report.close()


if __name__ == "__main__":
    main(tyro.cli(Flags, description=__doc__))
