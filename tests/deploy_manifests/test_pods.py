"""What a pod may do, takes, and how it is asked whether it is well."""

import pytest

from deploy.probe.__main__ import QUESTIONS
from learner_service.node import STOP_DEADLINE_SECONDS
from tests.deploy_manifests.manifests import (
    DEPLOY,
    OVERLAYS,
    Manifest,
    Workload,
    instructions,
    named,
    render,
    workloads,
)
from worker_service.worker import EXIT_DEADLINE_SECONDS

PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
STOPPED_WITHIN_SECONDS = {
    "learner": STOP_DEADLINE_SECONDS,
    "worker": EXIT_DEADLINE_SECONDS,
    "evaluator": EXIT_DEADLINE_SECONDS,
}


@pytest.fixture(scope="module", params=OVERLAYS)
def run(request: pytest.FixtureRequest) -> list[Manifest]:
    return render(DEPLOY / "overlays" / request.param)


def of_component(run: list[Manifest], component: str) -> Workload:
    (found,) = (each for each in workloads(run) if each.component == component)
    return found


def test_a_run_is_a_learner_workers_and_an_evaluator(run: list[Manifest]) -> None:
    assert {each.component: each.manifest["kind"] for each in workloads(run)} == {
        "learner": "StatefulSet",
        "worker": "Deployment",
        "evaluator": "Deployment",
    }


def test_pods_have_no_rights_and_containers_are_confined(run: list[Manifest]) -> None:
    for each in workloads(run):
        assert each.pod["automountServiceAccountToken"] is False
        assert named(run, "ServiceAccount", each.pod["serviceAccountName"])["automountServiceAccountToken"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & each.pod.keys()
        assert each.pod["securityContext"]["runAsNonRoot"] is True
        assert each.pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert each.container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_pods_run_as_the_user_that_the_images_prepare(run: list[Manifest]) -> None:
    for each in workloads(run):
        dockerfile = DEPLOY / "docker" / f"{each.container['image'].split('/')[1].split(':')[0]}.Dockerfile"
        user = next(text for name, text in instructions(dockerfile) if name == "USER")
        context = each.pod["securityContext"]
        assert user == f"{context['runAsUser']}:{context['runAsGroup']}"
        assert context["fsGroup"] == context["runAsGroup"]


def test_only_scratch_space_and_the_learners_volume_can_be_written(run: list[Manifest]) -> None:
    for each in workloads(run):
        claims = [claim["metadata"]["name"] for claim in each.manifest["spec"].get("volumeClaimTemplates", [])]
        bounded = {volume["name"] for volume in each.pod["volumes"] if volume.get("emptyDir", {}).get("sizeLimit")}
        writable = {
            mount["mountPath"]: mount["name"] for mount in each.container["volumeMounts"] if not mount.get("readOnly")
        }
        assert writable == {"/tmp": "tmp"} | ({"/data": "data"} if each.component == "learner" else {})  # noqa: S108
        assert set(writable.values()) == bounded | set(claims)


def test_containers_ask_for_what_they_need_and_have_a_limit(run: list[Manifest]) -> None:
    for each in workloads(run):
        resources = each.container["resources"]
        assert {"cpu", "memory", "ephemeral-storage"} <= resources["requests"].keys() & resources["limits"].keys()


def test_grace_periods_are_longer_than_stopping_takes(run: list[Manifest]) -> None:
    for each in workloads(run):
        grace = each.pod["terminationGracePeriodSeconds"]
        assert STOPPED_WITHIN_SECONDS[each.component] < grace <= STOPPED_WITHIN_SECONDS[each.component] + 15
        assert "lifecycle" not in each.container, "a preStop hook only comes on top of the drain"


def test_probes_ask_questions_that_the_images_answer(run: list[Manifest]) -> None:
    for each in workloads(run):
        for probe in (each.container[name] for name in PROBES if name in each.container):
            *module, question = probe["exec"]["command"]
            assert module == ["python", "-m", "deploy.probe"]
            assert question in QUESTIONS
            # The question's own deadline, and the start of an interpreter on a busy machine.
            assert probe["timeoutSeconds"] >= 10


def test_a_learner_that_waits_for_its_first_worker_is_alive_and_can_be_reached(run: list[Manifest]) -> None:
    learner = of_component(run, "learner")
    questions = {name: learner.container[name]["exec"]["command"][-1] for name in PROBES}
    assert questions == {"startupProbe": "alive", "livenessProbe": "alive", "readinessProbe": "serving"}
    services = [each for each in run if each["kind"] == "Service"]
    assert services
    assert all(service["spec"]["publishNotReadyAddresses"] for service in services)
    named(run, "Service", learner.manifest["spec"]["serviceName"])


def test_a_frozen_learner_is_killed_within_two_minutes_and_a_slow_start_is_not_taken_for_one(
    run: list[Manifest],
) -> None:
    learner = of_component(run, "learner")
    liveness, startup = learner.container["livenessProbe"], learner.container["startupProbe"]
    noticed = liveness["failureThreshold"] * (liveness["periodSeconds"] + liveness["timeoutSeconds"])
    assert noticed + learner.pod["terminationGracePeriodSeconds"] <= 120
    assert startup["failureThreshold"] * startup["periodSeconds"] >= 600


def test_no_probe_restarts_a_worker_that_waits_for_its_learner(run: list[Manifest]) -> None:
    for component in ("worker", "evaluator"):
        container = of_component(run, component).container
        assert [name for name in PROBES if name in container] == ["readinessProbe"]


def test_secrets_are_files_and_never_arguments_or_variables(run: list[Manifest]) -> None:
    for each in workloads(run):
        assert all("secretKeyRef" not in variable.get("valueFrom", {}) for variable in each.container["env"])
        assert "envFrom" not in each.container
        for volume in (volume for volume in each.pod["volumes"] if "secret" in volume):
            assert volume["secret"]["defaultMode"] & 0o007 == 0
            (mount,) = (mount for mount in each.container["volumeMounts"] if mount["name"] == volume["name"])
            assert mount["readOnly"] is True


def test_images_have_a_tag_and_nothing_is_pulled_that_is_there(run: list[Manifest]) -> None:
    for each in workloads(run):
        _, _, tag = each.container["image"].partition(":")
        assert tag
        assert tag != "latest"
        assert each.container["imagePullPolicy"] == "IfNotPresent"


def test_only_the_gpu_overlay_asks_for_a_gpu_and_only_for_the_learner() -> None:
    for overlay in OVERLAYS:
        for each in workloads(render(DEPLOY / "overlays" / overlay)):
            gpus = each.container["resources"]["limits"].get("nvidia.com/gpu")
            assert gpus == ("1" if (overlay, each.component) == ("gpu", "learner") else None)
