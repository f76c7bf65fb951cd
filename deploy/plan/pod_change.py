"""What a placement changes in a workload's pods."""

import copy
from dataclasses import dataclass, field
from typing import Any, Final

Manifest = dict[str, Any]

_POD: Final = "/spec/template/spec"
_CONTAINER: Final = f"{_POD}/containers/0"


@dataclass(frozen=True, kw_only=True)
class PodChange:
    """Keys that a pod's specification gets, and entries that its container gets."""

    pod: Manifest = field(default_factory=dict)
    """nodeSelector, affinity, tolerations and their like."""
    environment: dict[str, str] = field(default_factory=dict)
    requests: dict[str, str] = field(default_factory=dict)
    limits: dict[str, str] = field(default_factory=dict)

    def json_patch(self) -> list[Manifest]:
        """As operations (RFC 6902) on a workload that has environment variables, requests and limits already."""
        operations = [_add(f"{_POD}/{key}", value) for key, value in self.pod.items()]
        for name, value in self.environment.items():
            operations.append(_add(f"{_CONTAINER}/env/-", {"name": name, "value": value}))
        for kind, quantities in (("requests", self.requests), ("limits", self.limits)):
            for name, quantity in quantities.items():
                operations.append(_add(f"{_CONTAINER}/resources/{kind}/{name.replace('/', '~1')}", quantity))
        return operations

    def applied(self, workload: Manifest) -> Manifest:
        """The workload with the change, a copy."""
        changed = copy.deepcopy(workload)
        pod = changed["spec"]["template"]["spec"]
        pod.update(copy.deepcopy(self.pod))
        container = pod["containers"][0]
        container.setdefault("env", []).extend(
            {"name": name, "value": value} for name, value in self.environment.items()
        )
        for kind, quantities in (("requests", self.requests), ("limits", self.limits)):
            if quantities:
                container.setdefault("resources", {}).setdefault(kind, {}).update(quantities)
        return changed


def _add(path: str, value: object) -> Manifest:
    return {"op": "add", "path": path, "value": value}
