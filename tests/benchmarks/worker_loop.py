"""What recording and pushing cost a worker, and what an action costs over its matrix-vector products.

    python -m tests.benchmarks.worker_loop --quick

`worker_loop_vs_bare`: a real worker process that drives the embedded car into a real learner, whose trainer idles,
against a loop in this process that does nothing but act and step, with the same policy and the worker's own actor. They
take turns; while one is measured the others are stopped. Steps a wall-clock second; `worker_loop_by_cpu` counts CPU
seconds instead, of all threads of the worker's process, which holds on a busy machine as well. `worker_loop_envs_8` is
a worker with eight environments, and `worker_loop_envs_8/vs_1` it against the one with one, by CPU seconds.

`act_vs_gemv`: one action by the worker's actor, as its rollout does it, against the products of the policy's matrices
with one vector, by numpy, into memory that is there already; the actor has 2 x 256 units. Rows with a slash are of the
learner's default actor too, of a whole `act` with its copies, of a session that is fed anew each time, of the same
network in numpy, and of a graph of one node, the floor of any.
"""

import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import tyro

from distrib_l2r.policy import decode_graph, decode_version
from tests.bare_client import BareClient, eventually
from tests.benchmarks import act
from tests.benchmarks.comparison import Comparison, Report
from tests.benchmarks.cpu_seconds import process_seconds
from tests.benchmarks.receivers import IDLE_TRAINER
from tests.benchmarks.steady_car import SteadyCar
from tests.system.processes import Fleet, fleet
from worker_service.actor import Actor
from worker_service.columns import observation_columns
from worker_service.environment import environment_spaces, make_environment
from worker_service.exploration import HeldNoise

LARGE = (256, 256)
"""Units of the actor of about 300 KB."""
MANY = 8
"""Environments of a worker that has several."""
STEADY = "tests.benchmarks.steady_car:SteadyCar"
"""Keeps an untrained policy's car on the road: else chunks would have its 28 steps, not 64."""
START_SECONDS = 120.0
"""Imports, compilation, the first chunk."""


@dataclass(frozen=True, kw_only=True)
class Flags:
    """How long."""

    seconds: float = 3.0
    """Of each half of a round."""
    rounds: int = 7
    chunk_length: int = 64
    hidden_sizes: tuple[int, int] = (128, 128)
    """Of the actor; the learner's default."""
    quick: bool = False
    """Two short rounds."""
    keep: bool = False
    """Keep the rows in results/."""


class BareLoop:
    """Acts and steps."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor
        self._environment = make_environment("Racetrack-v0", None, SteadyCar)
        self._noise = HeldNoise(actor.noise_size, scale=1.0, hold_steps=8, seed=0)
        observation, _ = self._environment.reset(seed=0)
        self.columns = observation_columns(observation)

    def run(self, seconds: float) -> tuple[float, float]:
        """Runs so long; steps a wall-clock second, and a CPU second."""
        actor, environment, noise, columns = self._actor, self._environment, self._noise, self.columns
        inputs, noise_input = list(actor.observation.items()), actor.noise
        steps, started, cpu = 0, time.monotonic(), time.process_time()
        ends_at = started + seconds
        while time.monotonic() < ends_at:
            # So rarely that the clock counts little.
            for _ in range(50):
                for name, column in inputs:
                    column[0] = columns[name]
                if noise.advance():
                    noise_input[0] = noise.values
                observation, _, terminated, truncated, _ = environment.step(actor.run()[0])
                if terminated or truncated:
                    observation, _ = environment.reset()
                columns = observation_columns(observation)
            steps += 50
        self.columns = columns
        return steps / (time.monotonic() - started), steps / (time.process_time() - cpu)


class StoppableWorker:
    """A worker process that runs only while it is measured; stopped once it drives."""

    def __init__(self, client: BareClient, machine: Fleet, environments: int) -> None:
        self._client = client
        flags = ("--log-level", "WARNING", "--env-wrapper", STEADY, "--envs-per-worker", str(environments))
        before = self._transitions()
        self._process = machine.start_worker(*flags)
        self._pid = self._process.pid
        # More than its first chunks, as its simulator may still load.
        enough = before + 10_000
        eventually(lambda: self._transitions() >= enough, "the worker drives", START_SECONDS)
        os.kill(self._pid, signal.SIGSTOP)

    def run(self, seconds: float) -> tuple[float, float]:
        """Lets it run so long; transitions committed a wall-clock second, and a CPU second of the worker."""
        os.kill(self._pid, signal.SIGCONT)
        time.sleep(0.2)
        before, started, cpu = self._transitions(), time.monotonic(), process_seconds(self._pid)
        time.sleep(seconds)
        count = self._transitions() - before
        elapsed, cpu = time.monotonic() - started, process_seconds(self._pid) - cpu
        os.kill(self._pid, signal.SIGSTOP)
        return count / elapsed, count / max(cpu, 0.01)

    def kill(self) -> None:
        """Ends it."""
        self._process.kill()

    def _transitions(self) -> int:
        return int(self._client.status().transitions)


def main(flags: Flags) -> None:
    """Measures and prints."""
    if flags.quick:
        flags = replace(flags, rounds=2, seconds=1.0)
    report = Report("worker_loop", flags)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="worker_loop_")))
        machine = stack.enter_context(fleet(directory))
        sizes = ("--actor-hidden-sizes", *(str(size) for size in flags.hidden_sizes))
        chunk = ("--chunk-length", str(flags.chunk_length))
        client = machine.start_learner("--run-dir", str(directory / "run"), *sizes, *chunk, *IDLE_TRAINER)
        workers = [StoppableWorker(client, machine, environments) for environments in (1, MANY)]
        environment = make_environment("Racetrack-v0", None, SteadyCar)
        spaces = environment_spaces(environment)
        actor = Actor(decode_graph(client.join(spaces).graph), spaces)
        actor.load(decode_version(client.get_policy().policy))
        environment.close()
        bare = BareLoop(actor)
        bare.run(0.2)
        rounds = [
            [*(worker.run(flags.seconds) for worker in workers), bare.run(flags.seconds)] for _ in range(flags.rounds)
        ]
        report.add(_loop_rows([list(one) for one in zip(*rounds, strict=True)]))
        for worker in workers:
            worker.kill()
        for hidden in (flags.hidden_sizes, LARGE):
            rows = list(act.compare(spaces, bare.columns, hidden, 5 * flags.rounds))
            report.add(rows)
            if hidden == LARGE:
                report.add([replace(rows[0], name="act_vs_gemv", demand="<= 3")])
    report.close()


def _loop_rows(measured: list[list[tuple[float, float]]]) -> Iterator[Comparison]:
    """Rows of what one worker, one with many environments, and the bare loop did, round by round."""
    (one, one_cpu), (many, many_cpu), (bare, bare_cpu) = (zip(*rounds, strict=True) for rounds in measured)
    wall, cpu = "steps/s", "steps/CPU s"
    yield Comparison(name="worker_loop_vs_bare", unit=wall, values=one, baselines=bare, demand=">= 0.8")
    yield Comparison(name="worker_loop_by_cpu", unit=cpu, values=one_cpu, baselines=bare_cpu)
    yield Comparison(name=f"worker_loop_envs_{MANY}", unit=wall, values=many, baselines=bare)
    yield Comparison(name=f"worker_loop_envs_{MANY}/by_cpu", unit=cpu, values=many_cpu, baselines=bare_cpu)
    yield Comparison(name=f"worker_loop_envs_{MANY}/vs_1", unit=cpu, values=many_cpu, baselines=one_cpu)


if __name__ == "__main__":
    main(tyro.cli(Flags, description=__doc__))
