"""Prometheus and Grafana reach what they watch, can do nothing else, and are the same in Compose."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from learner_service.metrics_address import parse_address
from tests.deploy_manifests.manifests import (
    DEPLOY,
    Manifest,
    learner_config,
    named,
    of_kind,
    render,
    services_of_compose,
)
from tests.deploy_manifests.test_runs import selects

FOLDER = DEPLOY / "monitoring"


@pytest.fixture
def monitoring() -> list[Manifest]:
    return render(FOLDER)


@pytest.fixture
def learner() -> Manifest:
    (found,) = of_kind(render(DEPLOY / "overlays" / "local"), "StatefulSet")
    return found


def pods(manifests: list[Manifest]) -> dict[str, dict[str, Any]]:
    """Labels and specification of each pod, by the name of its workload."""
    return {each["metadata"]["name"]: each["spec"]["template"] for each in of_kind(manifests, "Deployment")}


def scrape() -> dict[str, Any]:
    (job,) = yaml.safe_load((FOLDER / "prometheus" / "prometheus.yaml").read_text())["scrape_configs"]
    (found,) = job["dns_sd_configs"]
    assert isinstance(found, dict)
    return found


def test_pods_have_no_rights_and_containers_are_confined(monitoring: list[Manifest]) -> None:
    assert pods(monitoring).keys() == {"prometheus", "grafana"}
    assert not [each for each in monitoring if "Role" in each["kind"]]
    for pod in pods(monitoring).values():
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False
        account = named(monitoring, "ServiceAccount", spec["serviceAccountName"])
        assert account["automountServiceAccountToken"] is False
        context = spec["securityContext"]
        assert context["runAsNonRoot"] is True
        assert context["runAsUser"] == context["runAsGroup"] == context["fsGroup"] > 0
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        (container,) = spec["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        resources = container["resources"]
        assert {"cpu", "memory", "ephemeral-storage"} <= resources["requests"].keys() & resources["limits"].keys()
        assert "readinessProbe" in container


def test_images_are_pinned_to_the_versions_that_compose_has(monitoring: list[Manifest]) -> None:
    for name, pod in pods(monitoring).items():
        image, _, tag = pod["spec"]["containers"][0]["image"].partition(":")
        assert tag
        assert services_of_compose()[name]["image"] == f"{image}:${{{name.upper()}_VERSION:-{tag}}}"


def test_prometheus_finds_learners_by_a_name_that_leads_to_them(monitoring: list[Manifest], learner: Manifest) -> None:
    (name,) = scrape()["names"]
    service = named(monitoring, "Service", name)["spec"]
    template = learner["spec"]["template"]
    ports = {port["name"]: port["containerPort"] for port in template["spec"]["containers"][0]["ports"]}
    assert service["clusterIP"] == "None"
    assert service["publishNotReadyAddresses"] is True
    assert selects({"matchLabels": service["selector"]}, template["metadata"]["labels"])
    (port,) = service["ports"]
    assert scrape()["port"] == port["port"] == ports[port["targetPort"]]
    assert name in services_of_compose()["learner"]["networks"]["default"]["aliases"]
    transport = learner_config(services_of_compose()["learner"]["command"]).transport
    assert parse_address(transport.metrics_address) == ("0.0.0.0", scrape()["port"])  # noqa: S104


def test_the_operator_finds_learners_by_the_same_labels_and_a_port_that_they_have(learner: Manifest) -> None:
    (monitor,) = of_kind(render(FOLDER / "operator"), "PodMonitor")
    template = learner["spec"]["template"]
    assert selects(monitor["spec"]["selector"], template["metadata"]["labels"])
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert endpoint["port"] in {port["name"] for port in template["spec"]["containers"][0]["ports"]}


def test_the_network_lets_each_reach_what_it_asks_and_no_more(monitoring: list[Manifest], learner: Manifest) -> None:
    labels = {name: pod["metadata"]["labels"] for name, pod in pods(monitoring).items()}
    labels["learner"] = learner["spec"]["template"]["metadata"]["labels"]
    policies = [*of_kind(monitoring, "NetworkPolicy"), *of_kind(render(DEPLOY / "overlays/local"), "NetworkPolicy")]

    def allowed(direction: str, peers: str, pod: str) -> set[tuple[str, int]]:
        (policy,) = (each for each in policies if selects(each["spec"]["podSelector"], labels[pod]))
        return {
            (other, port["port"])
            for rule in policy["spec"].get(direction, [])
            for peer in rule[peers]
            if "podSelector" in peer
            for other in labels
            if selects(peer["podSelector"], labels[other])
            for port in rule["ports"]
        }

    for asker, asked, port in (("prometheus", "learner", 9464), ("grafana", "prometheus", 9090)):
        assert allowed("egress", "to", asker) == {(asked, port)}
        assert (asker, port) in allowed("ingress", "from", asked)
    assert allowed("ingress", "from", "grafana") == set()
    for autoscaler in ("prometheus-adapter", "keda-operator"):
        (policy,) = (each for each in policies if selects(each["spec"]["podSelector"], labels["prometheus"]))
        (rule,) = policy["spec"]["ingress"]
        (source,) = (peer for peer in rule["from"] if "namespaceSelector" in peer)
        assert selects(source["podSelector"], {"app.kubernetes.io/name": autoscaler})


def test_grafana_asks_a_prometheus_that_is_there(monitoring: list[Manifest]) -> None:
    (source,) = yaml.safe_load((FOLDER / "grafana" / "datasources.yaml").read_text())["datasources"]
    host, _, port = source["url"].removeprefix("http://").partition(":")
    (served,) = named(monitoring, "Service", host)["spec"]["ports"]
    assert served["port"] == int(port)
    assert host in services_of_compose()


def test_compose_mounts_the_same_files_in_the_same_places(monitoring: list[Manifest]) -> None:
    def in_pod(name: str) -> dict[str, str]:
        spec = pods(monitoring)[name]["spec"]
        volumes = {volume["name"]: volume.get("configMap", {}).get("name") for volume in spec["volumes"]}
        files: dict[str, str] = {}
        for mount in spec["containers"][0]["volumeMounts"]:
            if volumes[mount["name"]]:
                data = named(monitoring, "ConfigMap", volumes[mount["name"]])["data"]
                given = {mount["subPath"]: data[mount["subPath"]]} if "subPath" in mount else data
                whole = Path(mount["mountPath"])
                files |= {str(whole if "subPath" in mount else whole / file): text for file, text in given.items()}
        return files

    def in_compose(name: str) -> dict[str, str]:
        files: dict[str, str] = {}
        for volume in services_of_compose()[name]["volumes"]:
            source, target, *mode = volume.split(":")
            if source.startswith("./"):
                assert mode == ["ro"]
                path = DEPLOY / source
                found = sorted(path.iterdir()) if path.is_dir() else [path]
                files |= {target if path.is_file() else f"{target}/{each.name}": each.read_text() for each in found}
        return files

    for name in ("prometheus", "grafana"):
        mounted = in_compose(name)
        mounted.pop("/etc/prometheus/alerts_test.yaml", None)
        assert mounted == in_pod(name)
    arguments = pods(monitoring)["prometheus"]["spec"]["containers"][0]["args"]
    assert services_of_compose()["prometheus"]["command"] == arguments
    environment = {each["name"]: each["value"] for each in pods(monitoring)["grafana"]["spec"]["containers"][0]["env"]}
    assert services_of_compose()["grafana"]["environment"] == environment


def test_grafana_downloads_nothing_and_lets_nobody_log_in() -> None:
    environment = services_of_compose()["grafana"]["environment"]
    assert environment["GF_PLUGINS_PREINSTALL_DISABLED"] == "true"
    assert environment["GF_AUTH_BASIC_ENABLED"] == "false"
    assert environment["GF_AUTH_DISABLE_LOGIN_FORM"] == "true"
    assert not [name for name in environment if "PASSWORD" in name or "INSTALL_PLUGINS" in name]
