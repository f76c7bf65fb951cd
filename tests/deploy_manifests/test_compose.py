"""The run in containers on one engine is as confined as its pods."""

import re

import pytest
import yaml

from learner_service.node import STOP_DEADLINE_SECONDS
from tests.deploy_manifests.manifests import DEPLOY, services_of_compose
from worker_service.worker import EXIT_DEADLINE_SECONDS


@pytest.mark.parametrize("name", ["learner", "worker", "evaluator"])
def test_containers_are_confined_and_restarted(name: str) -> None:
    service = services_of_compose()[name]
    assert service["read_only"] is True
    assert service["tmpfs"] == ["/tmp"]  # noqa: S108
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


def test_the_learner_listens_for_this_machine_alone() -> None:
    (port,) = services_of_compose()["learner"]["ports"]
    assert port.startswith("127.0.0.1:")


def test_every_variable_has_a_default_and_the_volume_outlives_the_run() -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    assert all(":-" in variable for variable in re.findall(r"\$\{([^}]*)\}", text))
    assert yaml.safe_load(text)["volumes"] == {"run": None}
