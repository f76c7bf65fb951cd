"""The learner's metrics as Prometheus reads them."""

import urllib.request
from collections.abc import Iterable

from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def fetch(address: str, accept: str = "text/plain") -> str:
    request = urllib.request.Request(f"http://{address}/metrics", headers={"Accept": accept})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=20) as answer:
        text: str = answer.read().decode()
    return text


def families(address: str, *, open_format: bool = False) -> list[Metric]:
    parsed: Iterable[Metric] = (
        openmetrics(fetch(address, OPENMETRICS)) if open_format else plain(fetch(address))  # type: ignore[no-untyped-call]
    )
    return list(parsed)


def values(address: str) -> dict[str, float]:
    """Each sample's value, by its name and, in braces, the values of its labels other than the run's."""
    found = {}
    for family in families(address):
        for sample in family.samples:
            labels = [value for label, value in sorted(sample.labels.items()) if label != "run"]
            key = sample.name + (f"{{{','.join(labels)}}}" if labels else "")
            assert key not in found, key
            found[key] = sample.value
    return found
