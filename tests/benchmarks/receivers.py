"""What takes a load in: a learner process, or a server to compare with. Counts messages and tells its CPU time."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bare_client import BareClient
from tests.benchmarks import bare_grpc, pickled_exchange, raw_tcp
from tests.benchmarks.cpu_seconds import process_seconds
from tests.benchmarks.generators import Generators, server
from tests.benchmarks.load import Load, Tally, Target
from tests.benchmarks.pour import Chunks
from tests.system.processes import fleet

REPLAY_ROWS: Final = {"vector": 1_000_000, "image": 40_000}
"""About 250 MB and 500 MB."""
IDLE_TRAINER: Final = ("--samples-per-insert-min", "0", "--samples-per-insert-max", "1e-9")
"""Nothing holds workers back, and the trainer never updates."""


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """One that is up."""

    target: Target
    address: str
    pid: int
    count: Callable[[], float]
    """Chunks taken in so far: committed to replay, by a learner."""
    counts_messages: bool = False
    """Whether `count` tells messages instead."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """What happened between two instants."""

    seconds: float
    chunks: float
    receiver_seconds: float
    """CPU time."""
    senders_seconds: float
    """CPU time of all generators."""
    tally: Tally
    """Of acknowledgements within the window."""


def learner(stack: ExitStack, directory: Path, load: Load, *flags: str) -> Receiver:
    """A learner process with replay in `directory` unless flags say otherwise; its trainer idles."""
    directory.mkdir(parents=True)
    machine = stack.enter_context(fleet(directory))
    rows = str(REPLAY_ROWS[load.observation])
    common = ("--chunk-length", str(load.chunk_length), "--replay-capacity", rows, "--log-level", "WARNING")
    client = machine.start_learner("--run-dir", str(directory / "run"), *common, *IDLE_TRAINER, *flags)
    process = machine.learner_process
    assert process is not None, "just started"

    def count() -> float:
        return _transitions(client) / load.chunk_length

    return Receiver(target="learner", address=machine.address, pid=process.pid, count=count)


def bare(stack: ExitStack) -> Receiver:
    """A grpc.aio server that reads into nothing."""
    address, pid, counts = stack.enter_context(server(bare_grpc.serve))
    return Receiver(target="bare_grpc", address=address, pid=pid, count=lambda: counts[0], counts_messages=True)


def tcp(stack: ExitStack, load: Load) -> Receiver:
    """Sockets, read into nothing; for messages of this load alone."""
    address, pid, counts = stack.enter_context(server(raw_tcp.serve))
    size = len(Chunks(load.observation, load.chunk_length).request(1))
    return Receiver(target="raw_tcp", address=address, pid=pid, count=lambda: sum(counts) / size)


def pickled(stack: ExitStack, load: Load) -> Receiver:
    """The ancestor's scheme."""
    address, pid, counts = stack.enter_context(server(pickled_exchange.serve, load.observation))
    return Receiver(target="pickled_exchange", address=address, pid=pid, count=lambda: counts[0], counts_messages=True)


def measure(generators: Generators, receiver: Receiver, load: Load, *, warm_up: float, seconds: float) -> Window:
    """Runs a load, lets it warm up, and looks at so many seconds of it."""
    with generators.running(load) as tally:
        time.sleep(warm_up)
        before = _reading(generators.pids, receiver)
        time.sleep(seconds)
        after = _reading(generators.pids, receiver)
    began, ended = before[0], after[0]
    tally.acknowledgements = [one for one in tally.acknowledgements if began <= one.at <= ended]
    elapsed, count, receiving, sending = (new - old for new, old in zip(after, before, strict=True))
    chunks = count * load.message_chunks if receiver.counts_messages else count
    return Window(seconds=elapsed, chunks=chunks, receiver_seconds=receiving, senders_seconds=sending, tally=tally)


def _reading(senders: Sequence[int], receiver: Receiver) -> tuple[float, float, float, float]:
    count = receiver.count()
    return time.monotonic(), count, process_seconds(receiver.pid), sum(process_seconds(pid) for pid in senders)


def _transitions(client: BareClient) -> int:
    return int(client.status().transitions)
