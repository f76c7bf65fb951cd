"""Schemas of custom resources, for which Kubernetes brings none: the fields that their documentation names, no other.

ScaledObject: keda.sh/docs, "ScaledObject specification" and "Prometheus". PodMonitor, PrometheusRule:
prometheus-operator.dev, "API reference". Fields that the manifests do not use are left out, so that a field more is
looked up there first.
"""

from typing import Any, Final

import jsonschema
import kubernetes_validate

from tests.deploy_manifests.manifests import Manifest

TEXT: Final = {"type": "string", "minLength": 1}
DURATION: Final = {"type": "string", "pattern": "^([0-9]+(ms|[smhdwy]))+$"}
TEXTS: Final = {"type": "object", "additionalProperties": {"type": "string"}}


def _object(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    properties = {**required, **(optional or {})}
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": 1}


_TRIGGER: Final = _object(
    {
        "type": {"const": "prometheus"},
        "metricType": {"enum": ["AverageValue", "Value"]},
        # Every value is text, numbers and booleans too.
        "metadata": _object(
            {
                "serverAddress": {"type": "string", "pattern": "^https?://[^/]+"},
                "query": TEXT,
                "threshold": {"type": "string", "pattern": "^[0-9.]+$"},
            },
            {"ignoreNullValues": {"enum": ["true", "false"]}},
        ),
    },
    {"name": TEXT},
)
_COUNT: Final = {"type": "integer", "minimum": 1}
_SPECS: Final[dict[tuple[str, str], dict[str, Any]]] = {
    ("keda.sh/v1alpha1", "ScaledObject"): _object(
        {"scaleTargetRef": _object({"name": TEXT}, {"apiVersion": TEXT, "kind": TEXT}), "triggers": _list(_TRIGGER)},
        {
            "pollingInterval": _COUNT,
            "minReplicaCount": _COUNT,
            "maxReplicaCount": _COUNT,
            # Its behavior is the HorizontalPodAutoscaler's own, and checked as that.
            "advanced": _object({"horizontalPodAutoscalerConfig": _object({"behavior": {"type": "object"}})}),
        },
    ),
    ("monitoring.coreos.com/v1", "PodMonitor"): _object(
        {
            "selector": _object({"matchLabels": TEXTS}),
            "podMetricsEndpoints": _list(_object({"port": TEXT}, {"interval": DURATION})),
        }
    ),
    ("monitoring.coreos.com/v1", "PrometheusRule"): _object(
        {
            "groups": _list(
                _object(
                    {
                        "name": TEXT,
                        "rules": _list(
                            _object(
                                {"alert": TEXT, "expr": TEXT}, {"for": DURATION, "labels": TEXTS, "annotations": TEXTS}
                            )
                        ),
                    }
                )
            )
        }
    ),
}


def is_custom(manifest: Manifest) -> bool:
    return (manifest["apiVersion"], manifest["kind"]) in _SPECS


def validate(manifest: Manifest, version: str) -> None:
    """Like kubernetes_validate's, strict.

    Raises:
        jsonschema.ValidationError: a field is missing, unknown, or of another type.
    """
    schema = _object(
        {
            "apiVersion": TEXT,
            "kind": TEXT,
            "metadata": _object({"name": TEXT}, {"labels": TEXTS}),
            "spec": _SPECS[manifest["apiVersion"], manifest["kind"]],
        }
    )
    jsonschema.validate(manifest, schema)
    if manifest["kind"] == "ScaledObject":
        kubernetes_validate.validate(_autoscaler(manifest["spec"]), version, strict=True)


def _autoscaler(spec: dict[str, Any]) -> Manifest:
    """What KEDA makes of a ScaledObject."""
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "keda-hpa"},
        "spec": {
            "scaleTargetRef": spec["scaleTargetRef"],
            "maxReplicas": spec["maxReplicaCount"],
            "behavior": spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"],
        },
    }
