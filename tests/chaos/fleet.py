"""The system under test: a learner, collecting workers and an evaluator, each a process of its own."""

import shutil
import socket
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final

from tests.chaos.disk import Disk
from tests.chaos.environment import ENVIRONMENT_ID, PROCESS_VARIABLE
from tests.chaos.ledger import SUFFIX
from tests.chaos.network import FaultyNetwork, Loopback, Network, find_tool
from tests.chaos.service import Service
from tests.chaos.shim import Shim, compile_shim

ROOT: Final = Path(__file__).parents[2]
LEARNER: Final = "learner"
EVALUATOR: Final = "evaluator"
PORT_IN_NAMESPACE: Final = 4444
ROW_BYTES: Final = 96
"""Of replay, with a row's share of the records."""
SPARE_DISK_MEGABYTES: Final = 192
"""For sessions, checkpoints, policies and progress, beside replay."""
CHECKPOINT_PERIOD_SECONDS: Final = 3.0
# Training as cheap as it gets: the processes share few cores, and what is trained does not matter.
LEARNER_FLAGS: Final = (
    *("--env", ENVIRONMENT_ID),
    *("--chunk-length", "32", "--min-transitions", "200", "--publish-period-seconds", "0.5"),
    *("--samples-per-insert-min", "0", "--samples-per-insert-max", "2"),
    *("--batch-size", "16", "--n-step", "2", "--bins", "5", "--device", "cpu"),
    *("--actor-hidden-sizes", "8", "--critic-hidden-sizes", "8", "--evaluation-episodes", "1"),
)


class Fleet:
    """Everything the faults act on. Whatever it starts or mounts is gone when the stack closes.

    Args:
        directory: for logs, ledgers and the run.
        workers: how many collect.
        stack: ends it all.
        replay_capacity: rows; enough that nothing is overwritten, or the audit finds it missing.
        learner_program: Python's arguments that start a learner.
    """

    def __init__(
        self,
        directory: Path,
        *,
        workers: int,
        stack: ExitStack,
        replay_capacity: int,
        learner_program: Sequence[str] = ("-m", "learner_service"),
    ) -> None:
        self.directory = directory
        self.ledgers = directory / "ledgers"
        self.ledgers.mkdir(parents=True)
        self.collectors: Final = tuple(f"worker-{number}" for number in range(1, workers + 1))
        self.worker_names: Final = (*self.collectors, EVALUATOR)
        self.evaluator_processes: set[int] = set()
        self.checkpoints_struck = 0
        """How often the learner was killed with a checkpoint half written."""
        self.disk = Disk(directory / "disk", replay_capacity * ROW_BYTES // 1_000_000 + SPARE_DISK_MEGABYTES, stack)
        self.run_directory = self.disk.path / "run"
        self.network = self._make_network(stack)
        port = PORT_IN_NAMESPACE if self.network.faulty else _free_port()
        self.address = f"127.0.0.1:{port}"
        """Where this process reaches the learner."""
        self._port = port
        self._learner_program = learner_program
        self._replay_capacity = replay_capacity
        self._processes = 0
        self._process_of: dict[str, int] = {}
        library = compile_shim(directory)
        self.shims: Final = (
            {
                name: Shim(library, directory / f"{name}.control", self.disk.path)
                for name in (LEARNER, *self.worker_names)
            }
            if library
            else {}
        )
        self.services: Final = {LEARNER: Service(LEARNER, self._learner_command, directory / "learner.log")}
        for name in self.worker_names:
            self.services[name] = Service(name, partial(self._worker_command, name), directory / f"{name}.log")
        for service in self.services.values():
            stack.callback(service.kill)

    @property
    def learner(self) -> Service:
        """The learner."""
        return self.services[LEARNER]

    def start(self) -> None:
        """Starts every service."""
        for service in self.services.values():
            service.start()

    def ledger(self, worker_name: str) -> Path:
        """Where the newest process of a worker notes what was acknowledged."""
        return self.ledgers / f"{self._process_of[worker_name]}{SUFFIX}"

    def lift_faults(self) -> None:
        """Ends whatever fault is still in force."""
        self.disk.free()
        for service in self.services.values():
            service.resume()
        for shim in self.shims.values():
            shim.disk_delay_seconds = 0
        if self.network.faulty:
            for name in self.worker_names:
                self.network.set_link(name)

    def _make_network(self, stack: ExitStack) -> Network:
        tool = find_tool(ROOT)
        if tool is None or not shutil.which("ip") or not Path("/dev/net/tun").exists():
            return Loopback()
        return FaultyNetwork(tool, [LEARNER, *self.worker_names], stack)

    def _learner_command(self) -> list[str]:
        return [
            *self._python(LEARNER, {}),
            *self._learner_program,
            *LEARNER_FLAGS,
            *("--host", self.network.host, "--port", str(self._port), "--run-dir", str(self.run_directory)),
            *("--replay-capacity", str(self._replay_capacity)),
            *("--checkpoint-period-seconds", str(CHECKPOINT_PERIOD_SECONDS)),
        ]

    def _worker_command(self, name: str) -> list[str]:
        """Of the next process of a worker, under a number of its own."""
        self._processes += 1
        process = self._process_of[name] = self._processes
        if name == EVALUATOR:
            self.evaluator_processes.add(process)
        return [
            *self._python(name, {PROCESS_VARIABLE: str(process)}),
            *("-m", "tests.chaos.worker", str(self.ledger(name))),
            *("--learner", f"{self.network.learner_name}:{self._port}", "--name", name),
            *(("--role", "evaluate") if name == EVALUATOR else ()),
        ]

    def _python(self, name: str, variables: dict[str, str]) -> list[str]:
        """Python on that node, with these variables and those of its shim."""
        variables = {
            "PYTHONPATH": f"{ROOT / 'protos'}:{ROOT}",
            **variables,
            **(self.shims[name].variables if name in self.shims else {}),
        }
        settings = [f"{key}={value}" for key, value in variables.items()]
        return [*self.network.command(name), "env", *settings, sys.executable]


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
