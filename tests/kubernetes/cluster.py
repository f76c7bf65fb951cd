"""Runs on the testbed's Kubernetes, by the make targets that people use."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distrib_l2r.limits import DEFAULT_PORT
from tests.deploy_manifests.manifests import DEPLOY, program
from tests.deploy_manifests.runs import make
from tests.testbed.commands import run, wait_for
from tests.testbed.view import View

NAMESPACE = "distributed-l2r"
ROLLOUT_SECONDS = 240


def kubectl(*arguments: str, check: bool = True, input_text: str | None = None) -> str:
    return run(program("kubectl"), "--namespace", NAMESPACE, *arguments, check=check, input_text=input_text)


@dataclass(frozen=True)
class ClusterRun:
    """A run on the cluster.

    Attributes:
        name: the run's.
        folder: a copy of what the make targets need, where the run's own folder is made.
        volumes: where the run's volume lies on the node.
    """

    name: str
    folder: Path
    volumes: Path

    def make(self, *arguments: str) -> str:
        environ = {name: os.environ[name] for name in ("KUBECONFIG", "NO_PROXY") if name in os.environ}
        done = make(self.folder, *arguments, f"RUN={self.name}", f"NAMESPACE={NAMESPACE}", **environ)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def offer_volume(self) -> None:
        """What a cluster's storage class does: a volume for the learner's claim, writable for the image's user."""
        folder = self.volumes / self.name
        folder.mkdir(parents=True)
        os.chown(folder, 10001, 10001)
        volume = {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": f"l2r-tests-{self.name}"},
            "spec": {
                "capacity": {"storage": "2Gi"},
                "accessModes": ["ReadWriteOnce"],
                "persistentVolumeReclaimPolicy": "Retain",
                "claimRef": {"namespace": NAMESPACE, "name": f"data-{self.name}-learner-0"},
                "hostPath": {"path": str(folder)},
            },
        }
        kubectl("apply", "--filename=-", input_text=json.dumps(volume))

    def edit(self, old: str, new: str) -> None:
        """Edits the run's own folder as people do."""
        kustomization = self.folder / "deploy" / "runs" / self.name / "kustomization.yaml"
        text = kustomization.read_text()
        assert old in text
        kustomization.write_text(text.replace(old, new))

    def await_rollout(self) -> None:
        for workload in ("statefulset/{}-learner", "deployment/{}-worker", "deployment/{}-evaluator"):
            kubectl("rollout", "status", workload.format(self.name), f"--timeout={ROLLOUT_SECONDS}s")

    @property
    def view(self) -> View:
        def address() -> str:
            service = json.loads(kubectl("get", "service", f"{self.name}-learner", "--output=json"))
            return f"{service['spec']['clusterIP']}:{DEFAULT_PORT}"

        return View(address)

    def pods(self, component: str) -> list[dict[str, Any]]:
        selector = f"distributed-l2r/run={self.name},app.kubernetes.io/component={component}"
        found: list[dict[str, Any]] = json.loads(kubectl("get", "pods", "--selector", selector, "--output=json"))[
            "items"
        ]
        return found

    def workers(self) -> int:
        """How many the Deployment is to have."""
        return int(kubectl("get", f"deployment/{self.name}-worker", "--output=jsonpath={.spec.replicas}"))

    def restarts(self) -> int:
        """Of the learner's container."""
        (pod,) = self.pods("learner")
        return sum(int(status["restartCount"]) for status in pod["status"].get("containerStatuses", []))

    def learner_process(self) -> int:
        """The learner's process id on the node."""
        flag = f"--run-id={self.name}".encode()
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    command = (entry / "cmdline").read_bytes().split(b"\0")
                except OSError:
                    continue
                if b"learner_service" in command and flag in command:
                    return int(entry.name)
        raise AssertionError(f"no learner of run {self.name} runs on this node")

    def follow_workers(self, folder: Path) -> "list[subprocess.Popen[bytes]]":
        """Writes what each worker says into folder/POD.log until its end."""
        followers = []
        for pod in self.pods("worker"):
            name = pod["metadata"]["name"]
            with (folder / f"{name}.log").open("wb") as log:
                command = [program("kubectl"), "--namespace", NAMESPACE, "logs", "--follow", f"pod/{name}"]
                followers.append(subprocess.Popen(command, stdout=log, stderr=log))
        return followers


def load_images(program: str, images: tuple[str, ...], archive: Path) -> None:
    """From the engine into the cluster."""
    run("docker", "save", *images, "--output", str(archive))
    run(program, "load-image", str(archive))
    archive.unlink()


def fresh_namespace() -> None:
    """The namespace as people make it, empty."""
    kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=120s")
    kubectl("apply", "--kustomize", str(DEPLOY / "namespace"))
    wait_for(
        "the namespace has its service account",
        lambda: "default" in kubectl("get", "serviceaccounts", "--output=name", check=False),
        60,
    )
