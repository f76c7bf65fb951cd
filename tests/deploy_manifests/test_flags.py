"""Every flag that manifests and images give is one that the services know."""

from pathlib import Path

import pytest

from distrib_l2r.limits import DEFAULT_PORT
from learner_service.metrics_address import parse_address
from tests.deploy_manifests.manifests import (
    DEPLOY,
    OVERLAYS,
    Manifest,
    instructions,
    learner_config,
    render,
    services_of_compose,
    words,
    worker_config,
    workloads,
)


@pytest.fixture(scope="module", params=OVERLAYS)
def run(request: pytest.FixtureRequest) -> list[Manifest]:
    return render(DEPLOY / "overlays" / request.param)


def mounted(paths: list[Path | None], mounts: list[str]) -> bool:
    return all(any(path.is_relative_to(mount) for mount in mounts) for path in paths if path)


def test_pods_start_services_with_flags_that_exist_and_files_that_are_mounted(run: list[Manifest]) -> None:
    for each in workloads(run):
        flags = each.flags(run)
        mounts = [mount["mountPath"] for mount in each.container["volumeMounts"]]
        if each.component == "learner":
            learner = learner_config(flags)
            ports = {port["name"]: port["containerPort"] for port in each.container["ports"]}
            assert (learner.transport.host, learner.transport.port) == ("0.0.0.0", ports["grpc"])  # noqa: S104
            assert parse_address(learner.transport.metrics_address) == ("0.0.0.0", ports["metrics"])  # noqa: S104
            assert learner.run_dir is not None
            assert learner.run_dir.is_relative_to("/data")
            assert learner.run_id == "my-run"
            transport = learner.transport
            assert mounted([transport.tls_certificate, transport.tls_key, transport.token_file], mounts)
        else:
            worker = worker_config(flags)
            assert worker.role == {"worker": "collect", "evaluator": "evaluate"}[each.component]
            assert mounted([worker.tls_ca, worker.token_file], mounts)


def test_with_tls_both_sides_have_it_and_only_the_learner_has_the_key() -> None:
    run = render(DEPLOY / "overlays" / "tls")
    for each in workloads(run):
        (tls,) = (volume["secret"] for volume in each.pod["volumes"] if volume["name"] == "tls")
        if each.component == "learner":
            transport = learner_config(each.flags(run)).transport
            assert transport.tls_certificate and transport.tls_key and transport.token_file
            environment = each.environment(run)
            assert environment["PROBE_TLS_NAME"] == "my-run-learner"
            assert mounted([Path(environment["PROBE_TLS_CA"])], ["/etc/learner-tls"])
        else:
            worker = worker_config(each.flags(run))
            assert worker.tls_ca and worker.token_file
            assert [item["key"] for item in tls["items"]] == ["ca.crt"]


def test_compose_starts_services_with_flags_that_exist() -> None:
    services = services_of_compose()
    learner = learner_config(services["learner"]["command"])
    assert learner.run_dir is not None
    (volume,) = services["learner"]["volumes"]
    assert learner.run_dir.is_relative_to(volume.split(":")[1])
    (published,) = services["learner"]["ports"]
    assert published.endswith(f":{learner.transport.port}")
    for name, role in (("worker", "collect"), ("evaluator", "evaluate")):
        worker = worker_config(services[name]["command"])
        assert worker.role == role
        assert worker.learner == f"learner:{learner.transport.port}"


def test_images_start_services_with_flags_that_exist() -> None:
    learner = learner_config(default_command("learner"))
    assert learner.transport.port == DEFAULT_PORT
    assert learner.run_dir == Path("/data/run")
    assert worker_config(default_command("worker")).learner == f"learner:{DEFAULT_PORT}"


def default_command(image: str) -> list[str]:
    commands = dict(instructions(DEPLOY / "docker" / f"{image}.Dockerfile"))
    return [word.strip(",") for word in words(commands["CMD"].strip("[]"))]
