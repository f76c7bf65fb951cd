"""Items a second that dm-reverb takes, one item a transition; runs in an environment of its own.

    build/reverb/bin/python tests/benchmarks/reverb_items.py --seconds 5 --clients 2

A server process with one table and `clients` writing processes. Prints a line of JSON: items a second as the table
counts them, and the CPU seconds of server and clients. Imports nothing of the project.
"""

import argparse
import importlib
import json
import multiprocessing
import os
import resource
import time
from typing import Any

WIDTH = 45
CAPACITY = 200_000
FLUSH_ITEMS = 64
"""Items that a client has in flight at most before it waits for all of them: a chunk of the learner's."""


def write(port: int, stopping: Any) -> None:
    """Writes item after item."""
    import numpy as np  # noqa: PLC0415

    reverb: Any = importlib.import_module("reverb")

    client = reverb.Client(f"127.0.0.1:{port}")
    observation, action = np.zeros(WIDTH, np.float32), np.zeros(2, np.float32)
    with client.trajectory_writer(num_keep_alive_refs=2) as writer:
        writer.append({"observation": observation, "action": action, "reward": np.float32(0)})
        count = 0
        while not stopping.is_set():
            writer.append({"observation": observation, "action": action, "reward": np.float32(0)})
            history = writer.history
            trajectory = {
                "observation": history["observation"][-2:],
                "action": history["action"][-2:-1],
                "reward": history["reward"][-2:-1],
            }
            writer.create_item(table="replay", priority=1.0, trajectory=trajectory)
            count += 1
            if count % FLUSH_ITEMS == 0:
                writer.flush()


def main() -> None:
    """Measures and prints."""
    reverb: Any = importlib.import_module("reverb")

    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--clients", type=int, default=2)
    flags = parser.parse_args()
    table = reverb.Table(
        name="replay",
        sampler=reverb.selectors.Uniform(),
        remover=reverb.selectors.Fifo(),
        max_size=CAPACITY,
        rate_limiter=reverb.rate_limiters.MinSize(1),
    )
    server = reverb.Server(tables=[table])
    context = multiprocessing.get_context("spawn")
    stopping = context.Event()
    clients = [context.Process(target=write, args=(server.port, stopping)) for _ in range(flags.clients)]
    for client in clients:
        client.start()
    deadline = time.monotonic() + 60
    while table.info.rate_limiter_info.insert_stats.completed == 0:
        if time.monotonic() > deadline:
            raise TimeoutError("no item came within 60 s")
        time.sleep(0.05)
    time.sleep(1.0)
    items, cpu, started = table.info.rate_limiter_info.insert_stats.completed, time.process_time(), time.monotonic()
    time.sleep(flags.seconds)
    items = table.info.rate_limiter_info.insert_stats.completed - items
    cpu, seconds = time.process_time() - cpu, time.monotonic() - started
    stopping.set()
    for client in clients:
        client.join(10)
        if client.is_alive():
            client.kill()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    row = {"items_per_second": items / seconds, "items_per_server_cpu_second": items / cpu, "processes": os.cpu_count()}
    print(json.dumps(row | {"clients_cpu_seconds": children.ru_utime + children.ru_stime}))
    server.stop()


if __name__ == "__main__":
    main()
