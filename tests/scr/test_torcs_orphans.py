"""No TORCS outlives its worker, however often workers are killed and at whatever moment."""

import os
import random
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from tests.bare_client import BareClient, eventually
from tests.scr.simulators import needs_torcs, running_torcs
from tests.system.processes import ENVIRONMENT, Fleet, fleet

pytestmark = [pytest.mark.slow, needs_torcs]

KILLS = 50
SIDE_BY_SIDE = 5
LONGEST_SECONDS = 1.0

DRIVER = """
import numpy as np
from worker_service.environment import make_environment
environment = make_environment("Torcs-v0", {"max_steps": 20})
while True:
    environment.reset()
    print("driving", flush=True)
    ended = False
    while not ended:
        _, _, terminated, truncated, _ = environment.step(np.array([0.0, 1.0], np.float32))
        ended = terminated or truncated
"""
"""Drives for ever; an episode is so short that a kill meets starts and ends of TORCS as often as driving."""

REPLACED = """
import os, threading, time
from worker_service.environment import make_environment
from worker_service.restarts import replace_process
if os.environ.pop("FIRST", None):
    environment = make_environment("Torcs-v0")
    environment.reset()
    print("driving", flush=True)
    input()
    threading.Thread(target=replace_process).start()
else:
    print("anew", flush=True)
time.sleep(600)
"""
"""Begins anew in its own process, as a worker does whose simulator hangs: on another thread than drives."""


@pytest.fixture
def marker(monkeypatch: pytest.MonkeyPatch) -> str:
    marker = uuid.uuid4().hex
    monkeypatch.setenv("TORCS_TEST", marker)
    monkeypatch.setitem(ENVIRONMENT, "TORCS_TEST", marker)
    return marker


def test_no_torcs_is_left_after_fifty_kills(marker: str) -> None:
    chance = random.Random(0)  # noqa: S311
    seen = 0
    for _ in range(KILLS // SIDE_BY_SIDE):
        drivers = [
            subprocess.Popen([sys.executable, "-c", DRIVER], stdout=subprocess.PIPE, env=os.environ)
            for _ in range(SIDE_BY_SIDE)
        ]
        for driver in drivers:
            assert driver.stdout is not None
            assert driver.stdout.readline() == b"driving\n"
        # The moment of each kill is what is tested.
        kills = sorted(time.monotonic() + chance.uniform(0.0, LONGEST_SECONDS) for _ in drivers)
        for driver, moment in zip(drivers, kills, strict=True):
            time.sleep(max(0.0, moment - time.monotonic()))
            seen += len(running_torcs(marker)) > 0
            driver.kill()
        for driver in drivers:
            driver.wait(10)
            assert driver.stdout is not None
            driver.stdout.close()
        eventually(lambda: running_torcs(marker) == [], "the end of every TORCS")
    assert seen > KILLS // 2, "kills met TORCS running"


def test_no_torcs_is_left_by_a_worker_that_began_anew(marker: str) -> None:
    driver = subprocess.Popen(
        [sys.executable, "-c", REPLACED],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "FIRST": "1"},
    )
    with driver:
        assert driver.stdin is not None and driver.stdout is not None
        assert driver.stdout.readline() == b"driving\n"
        assert len(running_torcs(marker)) == 1
        driver.stdin.write(b"\n")
        driver.stdin.flush()
        assert driver.stdout.readline() == b"anew\n"
        eventually(lambda: not [pid for pid in running_torcs(marker) if pid != driver.pid], "the end of its TORCS")
        driver.kill()


def drives(crew: Fleet, client: BareClient) -> subprocess.Popen[bytes]:
    """A worker whose first chunk has come."""
    before = client.status().transitions
    worker = crew.start_worker()
    eventually(lambda: client.status().transitions > before, "its first chunk", 60)
    return worker


def test_no_torcs_is_left_by_killed_workers_of_a_learner(marker: str, tmp_path: Path) -> None:
    with fleet(tmp_path) as crew:
        client = crew.start_learner("--env", "Torcs-v0", "--memory-only", "--min-transitions", "900000")
        for _ in range(3):
            worker = drives(crew, client)
            eventually(lambda: running_torcs(marker) != [], "a race, between two")
            worker.kill()
            worker.wait(10)
            eventually(lambda: running_torcs(marker) == [], "the end of its TORCS")
        # One that is asked to leave ends its TORCS itself.
        worker = drives(crew, client)
        worker.terminate()
        assert worker.wait(10) == 0
        assert running_torcs(marker) == []
