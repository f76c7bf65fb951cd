"""How long a learner takes to come back after `kill -9`, and what it costs.

    python -m tests.benchmarks.recovery

A learner's replay is filled to a million transitions of 45 floats by real clients; it trains until a checkpoint is
there, is killed, and started again on the same run directory, `repeats` times. Seconds count from the start of the new
process: imports are part of them. Prints a JSON line a restart and one with medians, kept in results/recovery.json; the
exit status is 1 where a restart lost an acknowledged transition.
"""

import json
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import tyro
from grpc_health.v1 import health_pb2, health_pb2_grpc

from distrib_l2r.v1 import learner_service_pb2 as pb
from tests.bare_client import BareClient, eventually
from tests.benchmarks.footprint import megabytes, read_footprint
from tests.benchmarks.pour import CHUNK_LENGTH, GRACE_SECONDS, SPACES, Chunks
from tests.benchmarks.rows import RESULTS, stated, write_rows
from tests.system.processes import Fleet, fleet, terminate

FILL_SECONDS: Final = 300.0
CHECKPOINT_SECONDS: Final = 300.0
"""For the first checkpoint after the replay is full."""
RESTART_SECONDS: Final = 120.0
UPDATE_SECONDS: Final = 60.0
STOP_SECONDS: Final = 30.0
MEDIANS: Final = ("serving_seconds", "accepted_seconds", "update_seconds", "updates_lost", "training_seconds_lost")


@dataclass(frozen=True, kw_only=True)
class Flags:
    """What to lose and how often."""

    transitions: int = 1_000_000
    streams: int = 8
    """Clients that fill replay."""
    repeats: int = 3
    train_seconds: float = 10.0
    """Trained for before each kill, a checkpoint's time not counted."""
    output: Path = RESULTS / "recovery.json"
    """Takes the rows."""


def start(machine: Fleet, flags: Flags, run_dir: Path) -> BareClient:
    """A learner on the run directory, with room for all transitions and the rows between chunks."""
    capacity = int(1.1 * flags.transitions)
    return machine.start_learner(
        "--run-dir", str(run_dir), "--replay-capacity", str(capacity), "--samples-per-insert-min", "0"
    )


def fill(machine: Fleet, flags: Flags) -> int:
    """Fills replay; returns how many transitions were acknowledged.

    Raises:
        RuntimeError: the client failed.
    """
    each = -(-flags.transitions // flags.streams)
    command = ["-m", "tests.benchmarks.pour", "--learner", machine.address, "--seconds", str(FILL_SECONDS)]
    client = machine.start("pour", *command, "--streams", str(flags.streams), "--transitions", str(each))
    client.wait(FILL_SECONDS + GRACE_SECONDS)
    if client.returncode:
        raise RuntimeError(f"the client ended with exit status {client.returncode}: {machine.log('pour')}")
    tally = json.loads(machine.log("pour").splitlines()[-1])
    print(json.dumps({"name": "recovery_fill", **tally}), flush=True)
    return int(tally["chunks"]) * CHUNK_LENGTH


def restart(
    machine: Fleet, flags: Flags, run_dir: Path, client: BareClient, number: int
) -> tuple[BareClient, dict[str, Any]]:
    """Kills the learner and starts it again; a client of the new one, and the row of it."""
    eventually(lambda: client.status().HasField("checkpoint_age_seconds"), "a checkpoint is there", CHECKPOINT_SECONDS)
    time.sleep(flags.train_seconds)
    before = client.status()
    learner = machine.learner_process
    assert learner is not None, "just started"
    learner.kill()
    learner.wait(STOP_SECONDS)

    started = time.monotonic()
    client = start(machine, flags, run_dir)
    answering = time.monotonic() - started
    health: Any = health_pb2_grpc.HealthStub(client.channel)
    request = health_pb2.HealthCheckRequest()
    eventually(
        lambda: health.Check(request, timeout=5).status == health_pb2.HealthCheckResponse.SERVING,
        "the learner is SERVING again",
        RESTART_SECONDS,
    )
    serving = time.monotonic() - started
    after = client.status()
    push_one(machine.address, f"after-restart-{number}")
    accepted = time.monotonic() - started
    eventually(lambda: client.status().updates > after.updates, "a new update", UPDATE_SECONDS)
    updated = time.monotonic() - started
    learner = machine.learner_process
    assert learner is not None, "just started"
    footprint = read_footprint(learner.pid)
    assert footprint is not None, "it just answered"
    row = {
        "name": "recovery",
        "answering_seconds": round(answering, 2),
        "serving_seconds": round(serving, 2),
        "accepted_seconds": round(accepted, 2),
        "update_seconds": round(updated, 2),
        "transitions_before": before.transitions,
        "transitions_after": after.transitions,
        "in_replay_before": before.transitions_in_replay,
        "in_replay_after": after.transitions_in_replay,
        "updates_before": before.updates,
        "updates_after": after.updates,
        "updates_lost": before.updates - after.updates,
        "training_seconds_lost": round(before.checkpoint_age_seconds, 1),
        "policy_version_before": before.policy_version,
        "policy_version_after": after.policy_version,
        "anonymous_mb": megabytes(footprint.anonymous_bytes),
        "file_mb": megabytes(footprint.file_bytes),
    }
    return client, row


def push_one(address: str, session_id: str) -> None:
    """A new session's first chunk, sent and acknowledged."""
    with BareClient(address, session_id) as client:
        fingerprint = client.join(SPACES["vector"]).graph.fingerprint
        header = pb.PushTrajectoriesRequest(
            header=pb.StreamHeader(session_id=session_id, graph_fingerprint=fingerprint)
        )
        chunk = pb.PushTrajectoriesRequest.FromString(Chunks("vector").request(1))
        answers = client.push(header, chunk)
        assert answers[-1].committed_sequence == 1, answers[-1]


def main(flags: Flags) -> int:
    """Measures, prints and keeps; returns the exit status."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="recovery_") as name:
        directory = Path(name)
        with fleet(directory) as machine:
            run_dir = directory / "run"
            client = start(machine, flags, run_dir)
            acknowledged = fill(machine, flags)
            assert client.status().transitions == acknowledged, "everything acknowledged is counted"
            for number in range(flags.repeats):
                client, row = restart(machine, flags, run_dir, client, number)
                rows.append(row)
                print(json.dumps(row), flush=True)
            learner = machine.learner_process
            assert learner is not None, "just started"
            terminate(learner, STOP_SECONDS)
    medians = {name: statistics.median(row[name] for row in rows) for name in MEDIANS}
    result = {"name": "recovery_median", "transitions": acknowledged, **medians, "flags": stated(flags)}
    print(json.dumps(result), flush=True)
    write_rows(flags.output, [*rows, result])
    return 1 if any(row["transitions_after"] < row["transitions_before"] for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Flags, description=__doc__)))
