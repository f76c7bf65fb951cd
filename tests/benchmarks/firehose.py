"""A learner under a firehose: how much memory it takes while clients pour as fast as they can.

    python -m tests.benchmarks.firehose --seconds 60

A learner process and `clients` processes (see `pour`), of `streams` connections each, pour chunks of 64 steps; so does
a rude one that ignores credit. Observations are 45 floats, then images of 64 x 64 x 3 bytes; each once with the
learner's default balance of samples per insert, under which workers wait for the trainer, and once with none, under
which only memory, replay and the learner's speed hold them back.

A small replay is filled by a single stream first, and a few updates are awaited: what anonymous memory grows by from
there on is the firehose's. The bound that it is held against is

    streams x max_in_flight_chunks x chunk's bytes x 3 + 64 MB

as each chunk in flight is at most in gRPC's buffers, in the message, and in a copy on the way into replay; 64 MB are
the allocators' own. Prints a JSON line a run and keeps them in results/firehose.json; the exit status is 1 where memory
went beyond the bound. Refused streams end with RESOURCE_EXHAUSTED, or as grpc.aio tells it when the refusal meets a
write: INTERNAL.
"""

import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import tyro

from learner_service.credit import chunk_bytes
from learner_service.replay.columns import ring_columns
from tests.bare_client import eventually
from tests.benchmarks.footprint import Footprint, megabytes, read_footprint
from tests.benchmarks.pour import CHUNK_LENGTH, GRACE_SECONDS, JOIN_DEADLINE_SECONDS, SPACES
from tests.benchmarks.rows import RESULTS, stated, write_rows
from tests.system.processes import Fleet, fleet, terminate

SAMPLE_SECONDS: Final = 0.25
SETTLE_SECONDS: Final = 5.0
"""After the last client has left, until what the learner keeps is read."""
STOP_SECONDS: Final = 30.0
WARM_UP_SECONDS: Final = 60.0
WARM_UP_UPDATES: Final = 20
UNTRAINED_SHARE: Final = 0.85
"""Of replay's rows come in before training begins, so that nothing holds the warm-up back."""
WARM_UP_SHARE: Final = 0.9

ROWS: Final = {"vector": 100_000, "image": 20_000}
"""Rows of replay: about 25 MB and 250 MB."""
MAX_IN_FLIGHT_CHUNKS: Final = 8
"""The learner's default."""
COPIES: Final = 3
"""Of a chunk in flight: see above."""
ALLOWANCE_BYTES: Final = 64_000_000


@dataclass(frozen=True, kw_only=True)
class Flags:
    """What to pour, and for how long."""

    seconds: float = 60.0
    """Of each run."""
    clients: int = 2
    """Polite client processes."""
    streams: int = 8
    """Connections of each client."""
    observations: tuple[str, ...] = ("vector", "image")
    output: Path = RESULTS / "firehose.json"
    """Takes the rows."""


def measure(flags: Flags, observation: str, *, balanced: bool, directory: Path) -> dict[str, Any]:
    """One run as a row."""
    directory.mkdir()
    with fleet(directory) as machine:
        balance = () if balanced else ("--samples-per-insert-min", "0")
        rows = ROWS[observation]
        size = ("--replay-capacity", str(rows), "--min-transitions", str(int(UNTRAINED_SHARE * rows)))
        run = ("--run-dir", str(directory / "run"), *size, *balance)
        client = machine.start_learner(*run)
        learner = machine.learner_process
        assert learner is not None, "just started"
        warm_up(machine, observation)
        eventually(lambda: client.status().updates >= WARM_UP_UPDATES, "the first updates", WARM_UP_SECONDS)
        footprints, before, started = [read(learner.pid)], client.status(), time.monotonic()
        tallies = pour(machine, flags, observation, learner.pid, footprints)
        seconds, status = time.monotonic() - started, client.status()
        time.sleep(SETTLE_SECONDS)
        end = read(learner.pid)
        terminate(learner, STOP_SECONDS)
    return row(flags, observation, balanced, tallies, footprints, end) | {
        "transitions": status.transitions - before.transitions,
        "transitions_per_second": round((status.transitions - before.transitions) / seconds),
        "updates": status.updates - before.updates,
        "samples_per_insert": round(status.samples_per_insert, 2),
    }


def warm_up(machine: Fleet, observation: str) -> None:
    """Fills most of replay over a single stream.

    Raises:
        RuntimeError: the client failed.
    """
    command = ["-m", "tests.benchmarks.pour", "--learner", machine.address, "--observation", observation]
    command += ["--streams", "1", "--seconds", str(WARM_UP_SECONDS)]
    client = machine.start("warm-up", *command, "--transitions", str(int(WARM_UP_SHARE * ROWS[observation])))
    client.wait(JOIN_DEADLINE_SECONDS + WARM_UP_SECONDS + GRACE_SECONDS)
    if client.returncode:
        raise RuntimeError(f"the client ended with exit status {client.returncode}: {machine.log('warm-up')}")


def pour(
    machine: Fleet, flags: Flags, observation: str, pid: int, footprints: list[Footprint]
) -> Mapping[str, dict[str, Any]]:
    """Runs the clients to their end and adds the learner's footprints meanwhile; what each client tells."""
    names = [*(f"polite-{i}" for i in range(flags.clients)), "rude"]
    common = ["-m", "tests.benchmarks.pour", "--learner", machine.address, "--observation", observation]
    common += ["--seconds", str(flags.seconds), "--streams", str(flags.streams)]
    processes = [machine.start(name, *common, *(("--rude",) if name == "rude" else ())) for name in names]
    deadline = time.monotonic() + JOIN_DEADLINE_SECONDS + flags.seconds + GRACE_SECONDS
    while any(process.poll() is None for process in processes):
        if time.monotonic() > deadline:
            raise TimeoutError(f"a client did not end in time: {machine.log(names[0])}")
        time.sleep(SAMPLE_SECONDS)
        footprints.append(read(pid))
    for name, process in zip(names, processes, strict=True):
        if process.returncode:
            raise RuntimeError(f"client {name} ended with exit status {process.returncode}: {machine.log(name)}")
    return {name: json.loads(machine.log(name).splitlines()[-1]) for name in names}


def read(pid: int) -> Footprint:
    """The learner's footprint.

    Raises:
        RuntimeError: it has ended.
    """
    footprint = read_footprint(pid)
    if footprint is None:
        raise RuntimeError(f"learner process {pid} has ended; see its log in the run's folder")
    return footprint


def row(
    flags: Flags,
    observation: str,
    balanced: bool,
    tallies: Mapping[str, dict[str, Any]],
    footprints: list[Footprint],
    end: Footprint,
) -> dict[str, Any]:
    """Memory as a row."""
    spaces = SPACES[observation]
    replay = ROWS[observation] * sum(column.row_bytes for column in ring_columns(spaces))
    streams = flags.streams * (flags.clients + 1)
    in_flight = streams * MAX_IN_FLIGHT_CHUNKS * chunk_bytes(spaces, CHUNK_LENGTH)
    bound = COPIES * in_flight + ALLOWANCE_BYTES
    start, peak = footprints[0], max(footprints, key=lambda footprint: footprint.resident_bytes)
    anonymous = [footprint.anonymous_bytes for footprint in footprints]
    # Pages of replay's files are the kernel's to drop.
    grown = max(anonymous) - anonymous[0]
    endings = sum((Counter(tally["endings"]) for tally in tallies.values()), Counter[str]())
    return {
        "name": f"firehose_{observation}_{'balanced' if balanced else 'unbalanced'}",
        "streams": streams,
        "rss_start_mb": megabytes(start.resident_bytes),
        "rss_peak_mb": megabytes(peak.resident_bytes),
        "rss_end_mb": megabytes(end.resident_bytes),
        # Memory that keeps growing would show here, whatever its size.
        "anonymous_by_quarter_mb": [megabytes(anonymous[len(anonymous) * i // 4 - (i == 4)]) for i in range(5)],
        "anonymous_peak_mb": megabytes(max(anonymous)),
        "anonymous_end_mb": megabytes(end.anonymous_bytes),
        "replay_mb": megabytes(replay),
        "in_flight_mb": megabytes(in_flight),
        "grown_mb": megabytes(grown),
        "bound_mb": megabytes(bound),
        "within_bound": grown <= bound,
        "threads_peak": max(footprint.threads for footprint in footprints),
        "threads_end": end.threads,
        "descriptors_start": start.descriptors,
        "descriptors_end": end.descriptors,
        "refused_streams": endings["RESOURCE_EXHAUSTED"] + endings["INTERNAL"],
        "endings": dict(endings),
        "lowest_credit": min(tally["lowest_credit"] for tally in tallies.values()),
    }


def main(flags: Flags) -> int:
    """Measures, prints and keeps; returns the exit status."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="firehose_") as directory:
        for observation in flags.observations:
            for balanced in (True, False):
                folder = Path(directory) / f"{observation}-{'balanced' if balanced else 'unbalanced'}"
                rows.append(measure(flags, observation, balanced=balanced, directory=folder))
                print(json.dumps(rows[-1]), flush=True)
    write_rows(flags.output, [*rows, {"name": "firehose_flags", **stated(flags)}])
    return 0 if all(row["within_bound"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Flags, description=__doc__)))
