"""Where the CPU time of learner and worker goes at full load, as rows and as a picture.

    python -m tests.benchmarks.cpu_profile --keep

py-spy (`pip install '.[comparison]'`) samples three processes: a learner that takes in chunks as fast as it can while
its trainer idles, a learner that trains under 50,000 transitions a second from 16 workers, and a worker that drives the
embedded car as fast as it can. A sample counts for the innermost function of the project on its stack, together with
what that calls in libraries; threads without one count by their names. Only samples of threads that run are taken.
"""

import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import tyro

from tests.bare_client import eventually
from tests.benchmarks import receivers
from tests.benchmarks.comparison import Comparison, Report, Skipped
from tests.benchmarks.cpu_profile_picture import draw
from tests.benchmarks.generators import Generators
from tests.benchmarks.load import Load
from tests.benchmarks.rows import RESULTS
from tests.benchmarks.training_learner import UNBALANCED, training_learner
from tests.system.processes import fleet

PICTURE: Final = RESULTS / "cpu_profile.png"
SOURCES: Final = ("distrib_l2r/", "learner_service/", "worker_service/")
"""Folders of the project, as py-spy shows them."""
SPARE_SECONDS: Final = 60.0
"""For py-spy to start and to end."""
MOST_ROWS: Final = 14
"""Functions of each process that are told."""
FIRST_STEPS: Final = 2_000
"""Of the worker, before it is sampled."""


@dataclass(frozen=True, kw_only=True)
class Flags:
    """How to sample."""

    seconds: int = 10
    """Of each process."""
    rate: int = 200
    """Samples a second."""
    streams: int = 16
    chunk_length: int = 64
    message_chunks: int = 1
    """Chunks in each message of the learner that only takes in."""
    transitions_per_second: float = 50_000.0
    """For the learner that trains."""
    clients: int = 2
    """Processes that pour."""
    keep: bool = False
    """Keep rows and picture in results/."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Samples of one process."""

    name: str
    title: str
    samples: Counter[str]
    """By function of the project."""

    def rows(self) -> Iterator[Comparison]:
        """Shares of all samples, the largest first."""
        for function, count in self.samples.most_common(MOST_ROWS):
            share = count / self.samples.total()
            yield Comparison(name=f"{self.name}/{function}", unit="of samples", values=[share])


def sample(flags: Flags, pid: int) -> Counter[str]:
    """Looks at a process for a while.

    Raises:
        FileNotFoundError: py-spy is not installed.
        RuntimeError: it failed, as where the system lets nobody look at other processes.
    """
    beside = Path(sys.executable).with_name("py-spy")
    program = str(beside) if beside.exists() else shutil.which("py-spy")
    if program is None:
        raise FileNotFoundError("py-spy is not installed: pip install '.[comparison]'")
    with tempfile.TemporaryDirectory(prefix="profile_") as directory:
        output = Path(directory) / "stacks.txt"
        # Stopping the process for each sample would slow it down.
        options = ("--nonblocking", "--threads", "--format", "raw", "--rate", str(flags.rate))
        command = (program, "record", "--pid", str(pid), "--duration", str(flags.seconds), *options)
        done = subprocess.run(
            (*command, "--output", str(output)),
            capture_output=True,
            text=True,
            timeout=flags.seconds + SPARE_SECONDS,
            check=False,
        )
        if not output.exists():
            raise RuntimeError(f"py-spy ended with {done.returncode}: {done.stderr.strip()[-300:]}")
        return by_function(output.read_text())


def by_function(stacks: str) -> Counter[str]:
    """Samples by the innermost function of the project; a line is frames, ';' between them, and a count."""
    samples: Counter[str] = Counter()
    for line in stacks.splitlines():
        stack, _, count = line.rpartition(" ")
        thread, *frames = stack.split(";")
        ours = [frame for frame in frames if frame.partition(" (")[2].startswith(SOURCES)]
        if ours:
            function, _, place = ours[-1].partition(" (")
            name = f"{place.partition(':')[0].removesuffix('.py').replace('/', '.')}: {function.rpartition('.')[2]}"
        else:
            # "thread (123): NAME"; the numbers of a pool's threads mean nothing.
            name = f"thread {thread.rpartition(': ')[2].rstrip('0123456789').rstrip('_-')}"
        samples[name] += int(count)
    return samples


@contextmanager
def poured_into(flags: Flags, directory: Path, generators: Generators) -> Iterator[int]:
    """The pid of a learner that takes in what it can."""
    with ExitStack() as stack:
        load = Load(
            target="learner",
            address="",
            chunk_length=flags.chunk_length,
            streams=flags.streams,
            message_chunks=flags.message_chunks,
        )
        window = str(max(8, 2 * flags.message_chunks))
        learner = receivers.learner(stack, directory, load, "--max-in-flight-chunks", window)
        stack.enter_context(generators.running(replace(load, address=learner.address)))
        yield learner.pid


@contextmanager
def training(flags: Flags, directory: Path, generators: Generators) -> Iterator[int]:
    """The pid of a learner that trains under paced ingest."""
    with training_learner(directory, generators, "--chunk-length", str(max(64, flags.chunk_length))) as learner:
        load = Load(
            target="learner",
            address=learner.address,
            chunk_length=flags.chunk_length,
            streams=flags.streams,
            period_seconds=flags.streams * flags.chunk_length / flags.transitions_per_second,
        )
        with generators.running(load):
            yield learner.pid


@contextmanager
def driving(directory: Path) -> Iterator[int]:
    """The pid of a worker that drives the embedded car."""
    directory.mkdir()
    with fleet(directory) as machine:
        # What it collects is not sampled: its learner is another process.
        client = machine.start_learner("--run-dir", str(directory / "run"), "--log-level", "WARNING", *UNBALANCED)
        worker = machine.start_worker()
        eventually(lambda: client.status().transitions >= FIRST_STEPS, "the worker drives", SPARE_SECONDS)
        yield worker.pid


def main(flags: Flags) -> None:
    """Samples, prints and draws."""
    report = Report("cpu_profile", flags)
    profiles = []
    try:
        with tempfile.TemporaryDirectory(prefix="profile_") as name, ExitStack() as stack:
            directory, generators = Path(name), Generators(flags.clients, stack)
            pour = f"{flags.streams} streams, chunks of {flags.chunk_length}, {flags.message_chunks} a message"
            for key, title, process in (
                ("profile_ingest", f"learner, only taking in: {pour}", poured_into(flags, directory / "0", generators)),
                (
                    "profile_training",
                    f"learner, training under {flags.transitions_per_second:,.0f} transitions/s",
                    training(flags, directory / "1", generators),
                ),
                ("profile_worker", "worker, driving the embedded car", driving(directory / "2")),
            ):
                with process as pid:
                    profiles.append(Profile(name=key, title=title, samples=sample(flags, pid)))
    except FileNotFoundError as error:
        report.add([Skipped(name="cpu_profile", reason=str(error))])
    else:
        for profile in profiles:
            report.add(profile.rows())
        if flags.keep:
            draw(PICTURE, {profile.title: profile.samples for profile in profiles}, MOST_ROWS)
    report.close()


if __name__ == "__main__":
    main(tyro.cli(Flags, description=__doc__))
