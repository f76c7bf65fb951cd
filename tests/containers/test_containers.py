"""The images in containers: a policy laps the car, and what happens to containers loses nothing."""

import json
import os
import signal
from collections.abc import Iterator

import pytest

from distrib_l2r.v1 import join_pb2
from tests.containers.compose import PROJECT, ComposeRun
from tests.testbed.commands import run, wait_for
from tests.testbed.tools import BASE, ROOT
from tests.testbed.view import assert_nothing_lost, connected

pytestmark = [pytest.mark.slow, pytest.mark.containers, pytest.mark.timeout(1800)]

WORKERS = 3
MEGABYTE = 1_000_000
FLAGS = "LEARNER_FLAGS=--checkpoint-period-seconds 5 --env-args track=larkfield"
LOST_LINK_SECONDS = 60.0
"""The learner ends a connection that acknowledges nothing after 30 s."""
FROZEN_SECONDS = 90.0
"""And one whose process does not answer pings, though its machine acknowledges them, after a minute."""


@pytest.fixture(scope="module")
def compose(images: None) -> Iterator[ComposeRun]:
    compose = ComposeRun()
    compose.remove()
    try:
        compose.make("up", f"WORKERS={WORKERS}", FLAGS)
        yield compose
    finally:
        compose.remove()


def size_bytes(image: str) -> int:
    (found,) = json.loads(run("docker", "image", "inspect", image))
    return int(found["Size"])


def in_image(image: str, command: str) -> str:
    return run("docker", "run", "--rm", "--network=none", "--entrypoint=sh", image, "-c", command, check=False)


def test_worker_images_are_small(images: None) -> None:
    beyond_base = {
        name: (size_bytes(f"distributed-l2r/{name}:dev") - size_bytes(BASE)) / MEGABYTE
        for name in ("learner", "worker", "worker-base")
    }
    print(f"megabytes beyond the base of {size_bytes(BASE) / MEGABYTE:.0f}: {beyond_base}")
    assert beyond_base["worker"] < 450
    assert beyond_base["worker-base"] < 250


@pytest.mark.parametrize("image", ["worker", "worker-base"])
def test_worker_images_have_neither_torch_nor_a_compiler_nor_the_learner(image: str, images: None) -> None:
    name = f"distributed-l2r/{image}:dev"
    assert in_image(name, "python -c 'import worker_service.worker' && echo works") == "works\n"
    for module in ("torch", "learner_service", "pytest"):
        assert in_image(name, f"python -c 'import {module}' 2>/dev/null || echo absent") == "absent\n"
    assert in_image(name, "command -v gcc cc clang || echo none") == "none\n"


def test_an_image_of_ones_own_simulator_is_built_on_ours(images: None) -> None:
    folder = ROOT / "deploy" / "docker" / "own-simulator"
    run("docker", "build", "--tag", "l2r-tests/own-simulator:dev", str(folder))
    program = (
        "from worker_service.environment import make_environment; "
        "mass = make_environment('my_simulator:DoubleIntegrator-v0'); mass.reset(seed=0); "
        "print(len(mass.step(mass.action_space.sample())))"
    )
    assert in_image("l2r-tests/own-simulator:dev", f'python -c "{program}"') == "5\n"


def test_a_policy_laps_the_car(compose: ComposeRun) -> None:
    status = compose.view.wait("a clean evaluation lap", lambda status: status.laps_clean > 0, 600)
    first, best = status.first_lap.wall_seconds, status.best_lap.lap.time_seconds
    print(f"first lap after {first:.0f} s of training, best lap {best:.2f} s")
    assert len(connected(status)) == WORKERS
    assert len(connected(status, join_pb2.ROLE_EVALUATE)) == 1


def test_processes_are_confined_and_healthy(compose: ComposeRun) -> None:
    for service in ("learner", "worker", "evaluator"):
        for container in compose.containers(service):
            wait_for(
                f"{service} is healthy",
                lambda container=container: compose.inspect(container)["State"]["Health"]["Status"] == "healthy",  # type: ignore[misc]
                90,
            )
            assert run("docker", "exec", container, "id", "-u") == "10001\n"
            tried = "touch /x 2>/dev/null || touch /usr/local/x 2>/dev/null || echo read-only"
            assert run("docker", "exec", "--user=0", container, "sh", "-c", tried) == "read-only\n"
            first = run("docker", "exec", container, "sh", "-c", "tr '\\0' ' ' < /proc/1/cmdline")
            assert first.startswith(f"python -m {'learner' if service == 'learner' else 'worker'}_service ")


def test_a_worker_takes_the_machine_code_that_came_with_the_image(compose: ComposeRun) -> None:
    worker = compose.containers("worker")[0]
    shipped = "cd /opt/kernels && find . -type f | sort | xargs sha256sum"
    used = "cd /tmp/kernels && find . -type f | sort | xargs sha256sum"
    assert run("docker", "exec", worker, "sh", "-c", shipped) == run("docker", "exec", worker, "sh", "-c", used)


def test_a_killed_learner_resumes_from_its_volume(compose: ComposeRun) -> None:
    before = compose.view.wait_training(WORKERS)
    (learner,) = compose.containers("learner")
    os.kill(compose.inspect(learner)["State"]["Pid"], signal.SIGKILL)
    compose.view.wait("the learner is back", lambda status: status.learner_starts == before.learner_starts + 1, 120)
    after = compose.view.wait_training(WORKERS)
    assert_nothing_lost(before, after)


def test_a_paused_worker_and_a_paused_learner_come_back(compose: ComposeRun) -> None:
    before = compose.view.wait_training(WORKERS)
    worker = compose.containers("worker")[0]
    run("docker", "pause", worker)
    try:
        compose.view.wait("its stream has ended", lambda status: len(connected(status)) < WORKERS, FROZEN_SECONDS)
    finally:
        run("docker", "unpause", worker)
    between = compose.view.wait_training(WORKERS)
    assert_nothing_lost(before, between)
    (learner,) = compose.containers("learner")
    run("docker", "pause", learner)
    try:
        assert compose.view.status() is None
    finally:
        run("docker", "unpause", learner)
    assert_nothing_lost(between, compose.view.wait_training(WORKERS))


def test_a_disconnected_worker_comes_back(compose: ComposeRun) -> None:
    before = compose.view.wait_training(WORKERS)
    worker = compose.containers("worker")[1]
    network = f"{PROJECT}_default"
    run("docker", "network", "disconnect", network, worker)
    try:
        compose.view.wait("its stream has ended", lambda status: len(connected(status)) < WORKERS, LOST_LINK_SECONDS)
    finally:
        run("docker", "network", "connect", network, worker)
    assert_nothing_lost(before, compose.view.wait_training(WORKERS))


def test_scaling_up_and_down_loses_nothing(compose: ComposeRun) -> None:
    before = compose.view.wait_training(WORKERS)
    (learner,) = compose.containers("learner")
    compose.make("scale", "WORKERS=5")
    more = compose.view.wait_training(5, 180)
    compose.make("scale", "WORKERS=2")
    fewer = compose.view.wait_training(2)
    assert_nothing_lost(before, more)
    assert_nothing_lost(more, fewer)
    assert compose.containers("learner") == [learner], "scaling workers leaves the learner alone"


@pytest.mark.parametrize(("service", "seconds"), [("worker", 5.0), ("learner", 35.0)])
def test_the_first_process_heeds_sigterm(service: str, seconds: float, compose: ComposeRun) -> None:
    workers = len(compose.containers("worker"))
    before = compose.view.wait_training(workers)
    container = compose.containers(service)[0]
    run("docker", "kill", "--signal=TERM", container)
    took = wait_for(f"{service} ends", lambda: compose.inspect(container)["State"]["Status"] != "running", seconds, 0.1)
    print(f"{service} ended {took:.1f} s after SIGTERM")
    status = compose.inspect(container)["State"]["ExitCode"]
    run("docker", "start", container)
    assert status == 0
    restarted = [compose.inspect(container)["Config"]["Hostname"]]
    assert_nothing_lost(before, compose.view.wait_training(workers), restarted)


def test_a_run_that_was_taken_down_goes_on_from_its_volume(compose: ComposeRun) -> None:
    before = compose.view.wait_training(len(compose.containers("worker")))
    compose.make("down")
    assert not compose.containers("learner")
    compose.make("up", "WORKERS=2", FLAGS)
    after = compose.view.wait_training(2, 180)
    assert after.learner_starts == before.learner_starts + 1
    assert after.transitions > before.transitions
    assert after.policy_version >= before.policy_version
