"""Kubernetes' autoscaler in simulated time: one external metric, a target of type Value, its documented formula."""

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Any

SYNC_SECONDS = 15
TOLERANCE = 0.1


@dataclass
class Autoscaler:
    """Decides how many replicas are wanted.

    Attributes:
        spec: of a HorizontalPodAutoscaler, version autoscaling/v2.
        recommendations: time and replicas, of the longer stabilisation window.
        changes: time and change of replicas.
    """

    spec: dict[str, Any]
    recommendations: deque[tuple[float, int]] = field(default_factory=deque)
    changes: list[tuple[float, int]] = field(default_factory=list)

    def replicas(self, now: float, current: int, ready: int, metric: float) -> int:
        (given,) = self.spec["metrics"]
        ratio = metric / float(given["external"]["target"]["value"])
        wanted = current if abs(ratio - 1) <= TOLERANCE else math.ceil(ratio * ready)
        wanted = min(max(wanted, self.spec["minReplicas"]), self.spec["maxReplicas"])
        self.recommendations.append((now, wanted))
        decided = self._limited(now, current, self._stabilised(now, current))
        if decided != current:
            self.changes.append((now, decided - current))
        return decided

    def _stabilised(self, now: float, current: int) -> int:
        def within(direction: str) -> list[int]:
            window = self.spec["behavior"][direction]["stabilizationWindowSeconds"]
            return [replicas for at, replicas in self.recommendations if now - at <= window]

        return max(min(within("scaleUp")), min(current, max(within("scaleDown"))))

    def _limited(self, now: float, current: int, wanted: int) -> int:
        direction = "scaleUp" if wanted > current else "scaleDown"
        sign = 1 if wanted > current else -1
        limits: list[int] = []
        for policy in self.spec["behavior"][direction]["policies"]:
            recent = sum(
                abs(change) for at, change in self.changes if now - at < policy["periodSeconds"] and change * sign > 0
            )
            start = current - sign * recent
            if policy["type"] == "Pods":
                limits.append(start + sign * policy["value"])
            elif sign > 0:
                limits.append(math.ceil(start * (1 + policy["value"] / 100)))
            else:
                limits.append(int(start * (1 - policy["value"] / 100)))
        return min(wanted, max(limits)) if sign > 0 else max(wanted, min(limits))
