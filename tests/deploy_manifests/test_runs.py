"""Two runs in one namespace never meet."""

import functools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from distrib_l2r.limits import DEFAULT_PORT
from tests.deploy_manifests.manifests import (
    AUTOSCALED,
    DEPLOY,
    OVERLAYS,
    RUN_LABEL,
    Manifest,
    named,
    of_kind,
    render,
    workloads,
)
from tests.deploy_manifests.runs import copy_of_deploy, make, render_run

PROMETHEUS = {"app.kubernetes.io/name": "prometheus"}
"""Labels of the one pod that is of no run and that runs let in."""


def selectors(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every selector of pods anywhere in a manifest, as matchLabels and matchExpressions."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "podSelector" or (key == "selector" and "matchLabels" in inner):
                yield inner
            elif key == "selector":
                yield {"matchLabels": inner}
            elif key not in ("template", "metric"):
                yield from selectors(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from selectors(inner)


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    expressions = selector.get("matchExpressions", [])
    assert all(expression["operator"] == "In" for expression in expressions)
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        labels.get(expression["key"]) in expression["values"] for expression in expressions
    )


@pytest.fixture(scope="session")
def runs_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[list[Manifest], ...]]:
    """Two runs of an overlay, rendered once."""

    @functools.cache
    def render_both(overlay: str) -> tuple[list[Manifest], ...]:
        folder = copy_of_deploy(tmp_path_factory.mktemp("runs"))
        return tuple(render_run(folder, run, overlay) for run in ("kestrel", "kestrel-2"))

    return render_both


@pytest.fixture(params=OVERLAYS)
def two_runs(
    request: pytest.FixtureRequest, runs_of: Callable[[str], tuple[list[Manifest], ...]]
) -> tuple[list[Manifest], ...]:
    return runs_of(request.param)


def test_every_selector_selects_pods_of_its_own_run_and_none_of_the_other(two_runs: tuple[list[Manifest], ...]) -> None:
    for own, other in (two_runs, reversed(two_runs)):
        for manifest in own:
            for selector in selectors(manifest):
                pods = [PROMETHEUS, *(each.pod_labels for each in workloads(own))]
                assert [labels for labels in pods if selects(selector, labels)], selector
                assert not [each for each in workloads(other) if selects(selector, each.pod_labels)], selector


def test_runs_share_no_object_and_no_secret(two_runs: tuple[list[Manifest], ...]) -> None:
    def names(manifests: list[Manifest]) -> set[tuple[str, str]]:
        secrets = {
            ("Secret", volume["secret"]["secretName"])
            for each in workloads(manifests)
            for volume in each.pod["volumes"]
            if "secret" in volume
        }
        return {(manifest["kind"], manifest["metadata"]["name"]) for manifest in manifests} | secrets

    first, second = map(names, two_runs)
    assert all(name.startswith("kestrel-") for _, name in first)
    assert not first & second


def test_workloads_select_exactly_their_own_pods(two_runs: tuple[list[Manifest], ...]) -> None:
    all_workloads = [each for run in two_runs for each in workloads(run)]
    for each in all_workloads:
        selected = [
            other.name for other in all_workloads if selects(each.manifest["spec"]["selector"], other.pod_labels)
        ]
        assert selected == [each.name]


def test_workers_name_the_service_and_the_port_of_their_own_learner(two_runs: tuple[list[Manifest], ...]) -> None:
    for run in two_runs:
        (learner,) = (each for each in workloads(run) if each.component == "learner")
        ports = {port["name"]: port["containerPort"] for port in learner.container["ports"]}
        for worker in (each for each in workloads(run) if each.component in ("worker", "evaluator")):
            (address,) = (flag for flag in worker.flags(run) if flag.startswith("--learner="))
            host, _, port = address.removeprefix("--learner=").partition(":")
            service = named(run, "Service", host)["spec"]
            assert selects({"matchLabels": service["selector"]}, learner.pod_labels)
            (served,) = (each for each in service["ports"] if each["port"] == int(port))
            assert ports[served["targetPort"]] == DEFAULT_PORT


def test_the_network_lets_workers_reach_their_learner_and_nothing_else_in(two_runs: tuple[list[Manifest], ...]) -> None:
    for run, other in (two_runs, reversed(two_runs)):
        policies = of_kind(run, "NetworkPolicy")
        for each in workloads(run):
            assert [policy for policy in policies if selects(policy["spec"]["podSelector"], each.pod_labels)]
        (learner,) = (policy for policy in policies if policy["metadata"]["name"].endswith("learner"))
        (rule,) = (rule for rule in learner["spec"]["ingress"] if rule["ports"] == [{"port": DEFAULT_PORT}])
        allowed = {
            (each.component, each.pod_labels[RUN_LABEL])
            for each in (*workloads(run), *workloads(other))
            for source in rule["from"]
            if selects(source["podSelector"], each.pod_labels)
        }
        (run_name,) = {each.pod_labels[RUN_LABEL] for each in workloads(run)}
        assert allowed == {("worker", run_name), ("evaluator", run_name)}
        (metrics,) = (other for other in learner["spec"]["ingress"] if other is not rule)
        (ports,) = (each.container["ports"] for each in workloads(run) if each.component == "learner")
        assert metrics["ports"] == [{"port": port["containerPort"]} for port in ports if port["name"] == "metrics"]
        (source,) = metrics["from"]
        assert source["namespaceSelector"] == {}, "of any namespace"
        assert selects(source["podSelector"], PROMETHEUS)
        assert not [each for each in workloads(run) if selects(source["podSelector"], each.pod_labels)]


@pytest.mark.parametrize("two_runs", AUTOSCALED, indirect=True)
def test_autoscalers_follow_the_wish_of_their_own_learner_and_the_number_of_workers_is_theirs(
    two_runs: tuple[list[Manifest], ...],
) -> None:
    for run in two_runs:
        (autoscaler,) = of_kind(run, "HorizontalPodAutoscaler") + of_kind(run, "ScaledObject")
        target = autoscaler["spec"]["scaleTargetRef"]
        assert (target["apiVersion"], target["kind"]) == ("apps/v1", "Deployment")
        (worker,) = (each for each in workloads(run) if each.name == target["name"])
        assert worker.component == "worker"
        assert "replicas" not in worker.manifest["spec"], "applying the manifests again would set it back"
        run_name = worker.pod_labels[RUN_LABEL]
        if autoscaler["kind"] == "ScaledObject":
            (trigger,) = autoscaler["spec"]["triggers"]
            assert f'{{run="{run_name}"}}' in trigger["metadata"]["query"]
        else:
            (metric,) = autoscaler["spec"]["metrics"]
            assert metric["external"]["metric"]["selector"] == {"matchLabels": {"run": run_name}}


@pytest.mark.parametrize("overlay", sorted({*OVERLAYS} - {*AUTOSCALED}))
def test_without_an_autoscaler_the_run_says_how_many_workers_it_has(overlay: str) -> None:
    run = render(DEPLOY / "overlays" / overlay)
    (worker,) = (each for each in workloads(run) if each.component == "worker")
    assert worker.manifest["spec"]["replicas"] > 0


@pytest.mark.parametrize("run", ["Kestrel", "1st", "a_b", "x" * 41, "ends-", "a b"])
def test_a_name_that_kubernetes_would_refuse_is_refused_before(run: str, tmp_path: Path) -> None:
    done = make(copy_of_deploy(tmp_path), "k8s-render", f"RUN={run}")
    assert done.returncode != 0
    assert "RUN is" in done.stderr
    assert not list((tmp_path / "deploy").glob("runs/*"))


def test_an_overlay_that_does_not_exist_is_refused_with_those_that_do(tmp_path: Path) -> None:
    done = make(copy_of_deploy(tmp_path), "k8s-render", "OVERLAY=moon")
    assert done.returncode != 0
    assert set(OVERLAYS) <= set(done.stderr.split())


def test_what_was_edited_for_a_run_stays(tmp_path: Path) -> None:
    folder = copy_of_deploy(tmp_path)
    render_run(folder, "kestrel", "local")
    kustomization = folder / "deploy/runs/kestrel/kustomization.yaml"
    kustomization.write_text(kustomization.read_text().replace("track=larkfield", "track=thornwood"))
    run = render_run(folder, "kestrel", "local")
    (flags,) = of_kind(run, "ConfigMap")
    assert "track=thornwood" in flags["data"]["LEARNER_FLAGS"]
