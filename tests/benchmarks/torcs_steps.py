"""How fast TORCS runs through `gymnasium.make`: one instance, and eight side by side.

    python -m tests.benchmarks.torcs_steps

Prints a JSON line a row. A step is a decision, a tenth of a second: five exchanges with the simulator by UDP; resets,
each a new process, are included. Each instance is driven by a process of its own. CPU seconds are those of the driver
and of its simulator together, so that other work on the machine counts little. The baseline, in the same run and with
the same actions, is the embedded car.
"""

import argparse
import json
import multiprocessing
import os
import resource
import time
from multiprocessing.connection import Connection
from typing import Any, Final

import numpy as np

from worker_service.environment import make_environment

START_SECONDS: Final = 120.0
SECONDS: Final = 20.0
QUICK_SECONDS: Final = 3.0
INSTANCES: Final = (1, 8)


def drive(identifier: str, seconds: float, seed: int, pipe: Connection) -> None:
    """Drives for some seconds once told to; sends steps, resets and CPU seconds."""
    environment = make_environment(identifier)
    environment.reset(seed=seed)
    generator = np.random.default_rng(seed)
    pipe.send("ready")
    pipe.recv()
    before = _cpu_seconds()
    end = time.perf_counter() + seconds
    steps = resets = 0
    while time.perf_counter() < end:
        # Gentle: full throttle alone would mostly measure crashes.
        action = generator.uniform([-0.05, 0.0], [0.05, 0.6]).astype(np.float32)
        _, _, terminated, truncated, _ = environment.step(action)
        steps += 1
        if terminated or truncated:
            environment.reset()
            resets += 1
    # A simulator's CPU time is known once it is reaped.
    environment.close()
    pipe.send((steps, resets, _cpu_seconds() - before))


def measure(identifier: str, instances: int, seconds: float) -> dict[str, Any]:
    """One row of figures."""
    context = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    for seed in range(instances):
        own, its = context.Pipe()
        process = context.Process(target=drive, args=(identifier, seconds, seed, its), name=f"driver-{seed}")
        process.start()
        pipes.append(own)
        processes.append(process)
    for pipe in pipes:
        if not pipe.poll(START_SECONDS):
            raise TimeoutError(f"{identifier} was not ready within {START_SECONDS:g} s")
        pipe.recv()
    for pipe in pipes:
        pipe.send("go")
    figures = np.array([pipe.recv() for pipe in pipes])
    for process in processes:
        process.join(START_SECONDS)
    steps, resets, cpu_seconds = figures.sum(axis=0)
    return {
        "name": identifier,
        "instances": instances,
        "steps_per_second": round(steps / seconds),
        "steps_per_cpu_second": round(steps / cpu_seconds),
        "simulated_seconds_per_cpu_second": round(0.1 * steps / cpu_seconds),
        "resets": int(resets),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
    }


def _cpu_seconds() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="a few seconds a row")
    seconds = QUICK_SECONDS if parser.parse_args().quick else SECONDS
    for instances in INSTANCES:
        for identifier in ("Racetrack-v0", "Torcs-v0"):
            print(json.dumps(measure(identifier, instances, seconds)), flush=True)


if __name__ == "__main__":
    main()
