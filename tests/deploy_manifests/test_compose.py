"""The run in containers on one engine is as confined as its pods."""

import os
import re
import shutil
import subprocess

import pytest
import yaml

from learner_service.node import STOP_DEADLINE_SECONDS
from tests.deploy_manifests.manifests import DEPLOY, services_of_compose
from worker_service.worker import EXIT_DEADLINE_SECONDS


@pytest.mark.parametrize("name", sorted(services_of_compose()))
def test_containers_are_confined_and_restarted(name: str) -> None:
    service = services_of_compose()[name]
    assert service["read_only"] is True
    assert "/tmp" in service["tmpfs"]  # noqa: S108
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert service["deploy"]["resources"]["limits"]["memory"]
    assert not {"privileged", "network_mode", "pid", "user"} & service.keys()


def test_containers_get_more_time_to_stop_than_they_take() -> None:
    services = services_of_compose()
    for name, seconds in (
        ("learner", STOP_DEADLINE_SECONDS),
        ("worker", EXIT_DEADLINE_SECONDS),
        ("evaluator", EXIT_DEADLINE_SECONDS),
    ):
        assert seconds < int(services[name]["stop_grace_period"].removesuffix("s"))


def test_compose_takes_the_file_and_each_profile_of_it() -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip(
            "docker compose is missing, so the Compose file is checked by its own tests alone: install the plugin"
        )
    for profiles, expected in (("", {"learner", "worker", "evaluator"}), ("monitoring", set(services_of_compose()))):
        done = subprocess.run(
            [docker, "compose", "--file", str(DEPLOY / "compose.yaml"), "config", "--services"],
            env={**os.environ, "COMPOSE_PROFILES": profiles},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert set(done.stdout.split()) == expected


def test_whatever_listens_does_so_for_this_machine_alone() -> None:
    ports = {name: service.get("ports", []) for name, service in services_of_compose().items()}
    assert {name for name, published in ports.items() if published} == {"learner", "prometheus", "grafana"}
    assert all(port.startswith("127.0.0.1:") for published in ports.values() for port in published)


def test_monitoring_is_there_for_who_asks_for_it() -> None:
    profiles = {name: service.get("profiles") for name, service in services_of_compose().items()}
    asked = ["monitoring"]
    assert profiles == {"learner": None, "worker": None, "evaluator": None, "prometheus": asked, "grafana": asked}


def test_every_variable_has_a_default_and_volumes_outlive_the_run() -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    assert all(":-" in variable for variable in re.findall(r"\$\{([^}]*)\}", text))
    assert yaml.safe_load(text)["volumes"] == {"run": None, "prometheus": None}
