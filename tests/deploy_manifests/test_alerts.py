"""Alerts fire where they should, are explained, and ask for metrics that the learner has; so does the dashboard."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.samples import Sample

from tests.deploy_manifests.manifests import DEPLOY, Manifest, render
from tests.deploy_manifests.promtool import promtool
from tests.deploy_manifests.runs import copy_of_deploy, make

PROMETHEUS = DEPLOY / "monitoring" / "prometheus"
DASHBOARD = DEPLOY / "monitoring" / "grafana" / "dashboards" / "run.json"
ALERTS: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((PROMETHEUS / "alerts.yaml").read_text())["groups"] for rule in group["rules"]
]
NAMES = [alert["alert"] for alert in ALERTS]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return found


def queries() -> Iterator[tuple[str, str]]:
    """Everything that is asked of Prometheus anywhere: who asks, and the query."""
    for alert in ALERTS:
        yield alert["alert"], alert["expr"]
    for panel in panels():
        for target in panel.get("targets", []):
            yield f"dashboard: {panel['title']}", target["expr"]
    yield "dashboard: runs", "l2r_learner_info"
    for manifest in (*render(DEPLOY / "overlays/autoscale"), *render(DEPLOY / "overlays/keda")):
        if manifest["kind"] == "HorizontalPodAutoscaler":
            (metric,) = manifest["spec"]["metrics"]
            yield "HorizontalPodAutoscaler", metric["external"]["metric"]["name"]
        if manifest["kind"] == "ScaledObject":
            (trigger,) = manifest["spec"]["triggers"]
            yield "ScaledObject", trigger["metadata"]["query"]
    (rule,) = adapter()["rules"]["external"]
    yield "prometheus-adapter", rule["seriesQuery"]


def adapter() -> Manifest:
    values: Manifest = yaml.safe_load((DEPLOY / "monitoring" / "prometheus-adapter.yaml").read_text())
    return values


def test_whatever_is_asked_for_is_a_metric_of_the_learner(exposed: list[Sample]) -> None:
    missing = []
    for asker, query in queries():
        asked = re.findall(r"\b((?:l2r|process)_\w+)(?:\{([^}]*)\})?", query)
        assert asked, asker
        for name, matchers in asked:
            labels = [sample.labels for sample in exposed if sample.name == name]
            wanted = [(label, value) for label, value in re.findall(r'(\w+)="([^"]*)"', matchers) if label != "run"]
            if not any(all(found.get(label) == value for label, value in wanted) for found in labels):
                missing.append((asker, name, matchers))
    assert not missing


def test_promtool_takes_the_configuration_and_the_alerts() -> None:
    done = promtool("check", "config", PROMETHEUS / "prometheus.yaml")
    assert done.returncode == 0, done.stderr
    assert f"{len(ALERTS)} rules found" in done.stdout


def test_promtool_takes_the_dashboards_queries(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": target["expr"].replace("$run", "kestrel")}
        for panel in panels()
        for number, target in enumerate(panel.get("targets", []))
    ]
    path = tmp_path / "queries.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = promtool("check", "rules", path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_alerts_fire_where_they_should_and_nowhere_else() -> None:
    done = promtool("test", "rules", PROMETHEUS / "alerts_test.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_alerts_that_never_fire_are_noticed(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(PROMETHEUS, tmp_path / "prometheus"))
    rules = yaml.safe_load((folder / "alerts.yaml").read_text())
    for rule in rules["groups"][0]["rules"]:
        rule["expr"] = "vector(1) > 2"
    (folder / "alerts.yaml").write_text(yaml.safe_dump(rules))
    done = promtool("test", "rules", folder / "alerts_test.yaml")
    assert done.returncode != 0
    assert set(re.findall(r"alertname: ?(\w+)", done.stdout + done.stderr)) == set(NAMES)


def test_each_alert_is_tested_firing_and_at_rest() -> None:
    tests = yaml.safe_load((PROMETHEUS / "alerts_test.yaml").read_text())["tests"]
    checks = [(check["alertname"], bool(check["exp_alerts"])) for test in tests for check in test["alert_rule_test"]]
    assert set(checks) == {(name, fires) for name in NAMES for fires in (True, False)}


@pytest.mark.parametrize("alert", ALERTS, ids=NAMES)
def test_each_alert_names_its_run_and_is_explained_in_the_readme(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in ("critical", "warning")
    assert "{{ $labels.run }}" in alert["annotations"]["summary"]
    _, _, chapter = (DEPLOY / "README.md").read_text().partition("\n## Alerts\n")
    chapter, _, _ = chapter.partition("\n## ")
    assert f"**{alert['alert']}**" in chapter, "what it means, and what to do"


def test_the_readme_explains_no_alert_that_is_not_there() -> None:
    _, _, chapter = (DEPLOY / "README.md").read_text().partition("\n## Alerts\n")
    assert set(re.findall(r"\*\*(L2R\w+)\*\*", chapter)) == set(NAMES)


def test_the_operators_alerts_are_the_same(tmp_path: Path) -> None:
    (rule,) = (each for each in render(DEPLOY / "monitoring/operator") if each["kind"] == "PrometheusRule")
    assert rule["spec"] == yaml.safe_load((PROMETHEUS / "alerts.yaml").read_text()), "run make operator-alerts"
    folder = copy_of_deploy(tmp_path)
    shutil.copytree(DEPLOY / "monitoring", folder / "deploy" / "monitoring")
    made = folder / "deploy" / "monitoring" / "operator" / "alerts.yaml"
    made.unlink()
    assert make(folder, "operator-alerts").returncode == 0
    assert made.read_text() == (DEPLOY / "monitoring" / "operator" / "alerts.yaml").read_text()


def test_every_panel_has_a_place_of_its_own_and_a_query() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
        assert panel["type"] == "row" or panel["targets"]
    assert len({panel["id"] for panel in panels()}) == len(panels())
