"""The manifests on a real Kubernetes: rolled out, scaled, restarted and frozen, without losing anything."""

import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from distrib_l2r.v1 import join_pb2
from tests.kubernetes.cluster import ClusterRun, kubectl
from tests.testbed.commands import run, wait_for
from tests.testbed.view import assert_nothing_lost, connected

pytestmark = [pytest.mark.slow, pytest.mark.kubernetes, pytest.mark.timeout(1800)]

FLAGS = "track=larkfield --checkpoint-period-seconds 5"
ROLLED_OUT_WITHIN_SECONDS = 90.0
FROZEN_SECONDS = 200.0
"""Three failed probes, the grace period, and a new learner."""


@pytest.fixture(scope="module")
def rollout(cluster: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[ClusterRun, float]:
    """A run that has been rolled out, and the seconds it took."""
    kestrel = ClusterRun("kestrel", cluster, tmp_path_factory.mktemp("volumes"))
    kestrel.volumes.parent.parent.chmod(0o755)
    kestrel.offer_volume()
    kestrel.make("k8s-render")
    kestrel.edit("track=larkfield", FLAGS)
    began = time.monotonic()
    kestrel.make("k8s-apply")
    kestrel.await_rollout()
    return kestrel, time.monotonic() - began


@pytest.fixture(scope="module")
def kestrel(rollout: tuple[ClusterRun, float]) -> ClusterRun:
    """The run."""
    return rollout[0]


def test_a_run_is_rolled_out_and_trains(rollout: tuple[ClusterRun, float]) -> None:
    kestrel, seconds = rollout
    print(f"rolled out in {seconds:.0f} s")
    assert seconds < ROLLED_OUT_WITHIN_SECONDS
    status = kestrel.view.wait_training(3)
    assert status.run_id == "kestrel"
    assert len(connected(status, join_pb2.ROLE_EVALUATE)) == 1
    assert all(worker.name.startswith("kestrel-") for worker in status.workers)


def test_workers_are_scaled_under_load_and_nothing_is_lost(kestrel: ClusterRun, tmp_path: Path) -> None:
    before = kestrel.view.wait_training(3)
    kestrel.make("k8s-scale", "WORKERS=8")
    eight = kestrel.view.wait_training(8, 180)
    assert_nothing_lost(before, eight)
    followers = kestrel.follow_workers(tmp_path)
    kestrel.make("k8s-scale", "WORKERS=2")
    two = kestrel.view.wait_training(2)
    assert_nothing_lost(eight, two)
    wait_for("the pods are gone", lambda: len(kestrel.pods("worker")) == 2, 60)
    left = [follower for follower in followers if follower.poll() is not None]
    for follower in followers:
        follower.kill()
        follower.wait(10)
    assert len(left) == 6
    logs = [log.read_text() for log in tmp_path.glob("*.log")]
    assert len([log for log in logs if "leaving" in log]) == 6
    assert not [log for log in logs if "never acknowledged" in log]


def test_a_deleted_learner_pod_returns_on_its_volume_and_workers_rejoin(kestrel: ClusterRun) -> None:
    before = kestrel.view.wait_training(kestrel.workers())
    kubectl("delete", "pod", "kestrel-learner-0", "--wait=false")
    kestrel.view.wait("the learner is back", lambda status: status.learner_starts == before.learner_starts + 1, 180)
    assert_nothing_lost(before, kestrel.view.wait_training(kestrel.workers()))


def test_a_rolling_update_of_workers_keeps_training_going(kestrel: ClusterRun) -> None:
    before = kestrel.view.wait_training(kestrel.workers())
    earlier = {pod["metadata"]["name"] for pod in kestrel.pods("worker")}
    kubectl("rollout", "restart", "deployment/kestrel-worker")
    kubectl("rollout", "status", "deployment/kestrel-worker", "--timeout=180s")
    wait_for("all pods are new", lambda: not earlier & {pod["metadata"]["name"] for pod in kestrel.pods("worker")}, 60)
    after = kestrel.view.wait_training(kestrel.workers())
    assert_nothing_lost(before, after)
    assert not earlier & {worker.name for worker in connected(after)}


def test_a_frozen_learner_is_restarted_by_its_probe(kestrel: ClusterRun) -> None:
    before, restarts = kestrel.view.wait_training(kestrel.workers()), kestrel.restarts()
    began = time.monotonic()
    os.kill(kestrel.learner_process(), signal.SIGSTOP)
    wait_for("its container is restarted", lambda: kestrel.restarts() == restarts + 1, FROZEN_SECONDS)
    print(f"restarted {time.monotonic() - began:.0f} s after it froze")
    assert_nothing_lost(before, kestrel.view.wait_training(kestrel.workers(), 180))


def test_two_runs_side_by_side_do_not_meet(kestrel: ClusterRun, tmp_path_factory: pytest.TempPathFactory) -> None:
    harrier = ClusterRun("harrier", kestrel.folder, kestrel.volumes)
    harrier.offer_volume()
    harrier.make("k8s-render")
    harrier.edit("track=larkfield", "track=thornwood")
    harrier.make("k8s-apply")
    harrier.await_rollout()
    for one in (kestrel, harrier):
        status = one.view.wait("it trains", lambda status: len(connected(status)) >= 2 and status.updates > 0, 120)
        assert status.run_id == one.name
        assert {worker.name.partition("-")[0] for worker in status.workers} == {one.name}
    harrier.make("k8s-delete")
    wait_for("its pods are gone", lambda: not harrier.pods("worker") and not harrier.pods("learner"), 120)
    assert kestrel.view.wait_training(kestrel.workers())


def test_with_tls_and_a_token_workers_and_probes_get_in(kestrel: ClusterRun, tmp_path: Path) -> None:
    osprey = ClusterRun("osprey", kestrel.folder, kestrel.volumes)
    osprey.offer_volume()
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=osprey-learner"]
    names = ("-addext", "subjectAltName=DNS:osprey-learner")
    run(*request, *names, "-keyout", str(tmp_path / "tls.key"), "-out", str(tmp_path / "tls.crt"))
    (tmp_path / "ca.crt").write_bytes((tmp_path / "tls.crt").read_bytes())
    (tmp_path / "token").write_text("correct horse\n")
    files = [f"--from-file={tmp_path / name}" for name in ("tls.crt", "tls.key", "ca.crt")]
    kubectl("create", "secret", "generic", "osprey-learner-tls", *files)
    kubectl("create", "secret", "generic", "osprey-token", f"--from-file={tmp_path / 'token'}")
    osprey.make("k8s-render", "OVERLAY=tls")
    osprey.edit("  - ../../components/tls", "  - ../../components/tls\n  - ../../components/single-node")
    osprey.edit("count: 8", "count: 1")
    osprey.make("k8s-apply")
    # The learner is ready once its probe has been answered and a worker has brought its spaces, both by TLS.
    osprey.await_rollout()
    assert osprey.view.status() is None, "nobody gets in without"
    osprey.make("k8s-delete")


def test_a_deleted_run_goes_on_from_its_volume(kestrel: ClusterRun) -> None:
    before = kestrel.view.wait_training(kestrel.workers())
    kestrel.make("k8s-delete")
    wait_for("its pods are gone", lambda: not kestrel.pods("worker") and not kestrel.pods("learner"), 120)
    kestrel.make("k8s-apply")
    kestrel.await_rollout()
    after = kestrel.view.wait_training(3)
    assert after.learner_starts == before.learner_starts + 1
    assert after.transitions > before.transitions


def test_a_run_is_restored_from_its_backup(kestrel: ClusterRun) -> None:
    before = kestrel.view.wait_training(kestrel.workers())
    kubectl("scale", "statefulset/kestrel-learner", "--replicas=0")
    wait_for("the learner is gone", lambda: not kestrel.pods("learner"), 120)
    shutil.move(kestrel.volumes / "kestrel", kestrel.volumes / "backup")
    kestrel.make("k8s-delete")
    wait_for("its workers are gone", lambda: not kestrel.pods("worker"), 120)
    kubectl("delete", "persistentvolumeclaim", "data-kestrel-learner-0", "--timeout=60s")
    kubectl("delete", "persistentvolume", "l2r-tests-kestrel", "--timeout=60s")
    kestrel.offer_volume()
    shutil.copytree(kestrel.volumes / "backup", kestrel.volumes / "kestrel", dirs_exist_ok=True)
    run("chown", "--recursive", "10001:10001", str(kestrel.volumes / "kestrel"))
    kestrel.make("k8s-apply")
    kestrel.await_rollout()
    after = kestrel.view.wait_training(3)
    assert after.learner_starts == before.learner_starts + 1
    assert_nothing_lost(before, after)
