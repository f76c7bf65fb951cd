"""Processes that generate load, kept over many measurements, and servers to compare with."""

import asyncio
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any, Final, Protocol

from tests.benchmarks.bare_grpc import BareStream
from tests.benchmarks.learner_stream import LearnerStream
from tests.benchmarks.load import Load, Tally
from tests.benchmarks.pickled_exchange import ExchangeStream
from tests.benchmarks.pour import Chunks
from tests.benchmarks.raw_tcp import RawStream

READY_SECONDS: Final = 180.0
"""From the request to all streams open, building the learner's networks included."""
END_SECONDS: Final = 60.0
MOST_STREAMS: Final = 1024
STOP: Final = "stop"

# Forking a process that has used gRPC breaks it.
_CONTEXT: Final = multiprocessing.get_context("spawn")


class LoadStream(Protocol):
    """One stream of a load."""

    async def open(self) -> None:
        """Connects."""

    async def run(self) -> None:
        """Sends until stopped."""

    def stop(self) -> None:
        """Lets `run` end."""


class Generators:
    """Some load generator processes."""

    def __init__(self, count: int, stack: ExitStack) -> None:
        # Each connection that a server closes would be a line.
        os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
        self._connections: list[Connection] = []
        self.pids: list[int] = []
        for number in range(count):
            ours, theirs = _CONTEXT.Pipe()
            process = _CONTEXT.Process(target=_generate, args=(theirs,), name=f"generator-{number}", daemon=True)
            process.start()
            theirs.close()
            stack.callback(_end, process, ours)
            assert process.pid is not None, "just started"
            self.pids.append(process.pid)
            self._connections.append(ours)

    @contextmanager
    def running(self, load: Load) -> Iterator[Tally]:
        """Runs `load.streams` streams over all processes while the context lasts; its tally is filled at the end.

        Raises:
            RuntimeError: a stream failed.
            TimeoutError: streams did not open or end in time.
        """
        count = min(len(self._connections), load.streams)
        connections = self._connections[:count]
        for number, connection in enumerate(connections):
            streams = load.streams // count + (number < load.streams % count)
            connection.send(replace(load, streams=streams))
        _answers(connections, READY_SECONDS)
        tally = Tally()
        yield tally
        for connection in connections:
            connection.send(STOP)
        for answer in _answers(connections, END_SECONDS):
            tally.add(answer)


@contextmanager
def server(serve: Callable[..., None], *arguments: Any) -> Iterator[tuple[str, int, Any]]:
    """A process that runs `serve(parent, counts, *arguments)`; yields its address, its pid and its counts.

    Raises:
        TimeoutError: it did not tell its address.
    """
    ours, theirs = _CONTEXT.Pipe()
    counts = _CONTEXT.RawArray("q", MOST_STREAMS)
    process = _CONTEXT.Process(target=serve, args=(theirs, counts, *arguments), name=serve.__module__, daemon=True)
    process.start()
    theirs.close()
    try:
        (address,) = _answers([ours], READY_SECONDS)
        assert process.pid is not None, "just started"
        yield address, process.pid, counts
    finally:
        _end(process, ours)


def _answers(connections: Sequence[Connection], seconds: float) -> list[Any]:
    answers = []
    for connection in connections:
        if not connection.poll(seconds):
            raise TimeoutError(f"a benchmark's process did not answer within {seconds:g} s")
        answer = connection.recv()
        if isinstance(answer, BaseException):
            raise RuntimeError("a benchmark's process failed") from answer
        answers.append(answer)
    return answers


def _end(process: SpawnProcess, connection: Connection) -> None:
    """Closes the pipe, which asks the process to end, and makes sure that it does."""
    connection.close()
    process.join(5.0)
    if process.is_alive():
        process.kill()
        process.join(5.0)


def _generate(parent: Connection) -> None:
    """Load after load until the parent closes its end."""
    asyncio.run(_generate_all(parent))


async def _generate_all(parent: Connection) -> None:
    # A thread a stream where sockets block.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(MOST_STREAMS))
    while True:
        try:
            load = await asyncio.to_thread(parent.recv)
        except EOFError:
            return
        try:
            answer: Any = await _run(parent, load)
        # Whatever failed belongs to the parent, which raises it.
        except BaseException as failure:
            answer = RuntimeError(f"{type(failure).__name__}: {failure}")
        parent.send(answer)


async def _run(parent: Connection, load: Load) -> Tally:
    tally = Tally()
    chunks = Chunks(load.observation, load.chunk_length)
    streams = [_stream(number, load, chunks, tally) for number in range(load.streams)]
    await asyncio.gather(*(stream.open() for stream in streams))
    parent.send("running")
    async with asyncio.TaskGroup() as group:
        for stream in streams:
            group.create_task(stream.run())
        await asyncio.to_thread(parent.recv)
        for stream in streams:
            stream.stop()
    return tally


def _stream(number: int, load: Load, chunks: Chunks, tally: Tally) -> LoadStream:
    if load.target == "learner":
        return LearnerStream(number, load, chunks, tally)
    if load.target == "bare_grpc":
        return BareStream(load, chunks)
    if load.target == "raw_tcp":
        return RawStream(load, chunks)
    return ExchangeStream(load)
