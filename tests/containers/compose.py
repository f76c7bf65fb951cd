"""A run in containers, by the make targets that people use."""

import json
from dataclasses import dataclass, field
from typing import Any

from tests.testbed.commands import run
from tests.testbed.tools import ROOT
from tests.testbed.view import View

PORT = "4447"
PROJECT = "l2r-tests"


@dataclass(frozen=True)
class ComposeRun:
    """The run of the tests' own Compose project."""

    view: View = field(default_factory=lambda: View(lambda: f"127.0.0.1:{PORT}"))

    def make(self, *arguments: str) -> str:
        return run("make", "-C", str(ROOT), *arguments, f"PORT={PORT}", COMPOSE_PROJECT_NAME=PROJECT)

    def containers(self, service: str) -> list[str]:
        """Ids of a service's containers, in the order of their numbers."""
        label = f"label=com.docker.compose.project={PROJECT}"
        found = run("docker", "ps", "--quiet", "--all", "--filter", label, "--filter", f"label={SERVICE}={service}")
        return sorted(found.split(), key=lambda found: int(self.inspect(found)["Config"]["Labels"][NUMBER]))

    def inspect(self, container: str) -> dict[str, Any]:
        (found,) = json.loads(run("docker", "inspect", container))
        assert isinstance(found, dict)
        return found

    def logs(self, container: str) -> str:
        return run("sh", "-c", f"docker logs {container} 2>&1")

    def remove(self) -> None:
        """Containers, network and volume."""
        compose = ("docker", "compose", "--file", str(ROOT / "deploy/compose.yaml"), "--project-name", PROJECT)
        run(*compose, "down", "--volumes", "--timeout", "1")


SERVICE = "com.docker.compose.service"
NUMBER = "com.docker.compose.container-number"
