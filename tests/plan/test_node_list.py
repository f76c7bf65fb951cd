"""Nodes as people and as Kubernetes write them."""

import json
from typing import Any

import pytest
import yaml

from deploy.plan.node import SHARED_GPU, Node
from deploy.plan.node_list import parse_nodes
from deploy.plan.plan_error import PlanError
from tests.plan.builders import GIB, kubernetes_node, node, shared_labels


def listed(*items: dict[str, Any], kind: str = "List") -> str:
    return json.dumps({"apiVersion": "v1", "kind": kind, "items": list(items)})


def parsed(item: dict[str, Any], **options: Any) -> Node:
    (found,) = parse_nodes(listed(item), **options)
    return found


def test_the_short_format() -> None:
    text = """
        nodes:
          - {name: gpu-a, gpus: 2, replicas: 3, cpu: 16, memory: 64Gi}
          - {name: gpu-b, gpus: 4, replicas: 2, strategy: mps, resource: nvidia.com/gpu.shared, unschedulable: true}
          - {name: gpu-c, gpus: 1}
    """
    assert parse_nodes(text) == (
        node("gpu-a", 2, replicas=3, cpu=16000, memory=64 * GIB),
        node("gpu-b", 4, replicas=2, mps=True, resource=SHARED_GPU, trouble=("cordoned",)),
        node("gpu-c", 1),
    )


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("gpu-a", "node 1 is 'gpu-a'; it must be a mapping"),
        ({"gpus": 2}, "name of node 1 is None"),
        ({"name": 7, "gpus": 2}, "name of node 1 is 7; it must be the node's name, in quotes"),
        ({"name": "a"}, "gpus of a is None; it must be a quantity"),
        ({"name": "a", "gpus": -1}, "gpus of a is -1"),
        ({"name": "a", "gpus": 1.5}, "gpus of a is 1.5; it must be a whole number"),
        ({"name": "a", "gpus": 1, "replicas": 0}, "replicas of a is 0; it must be at least 1"),
        ({"name": "a", "gpus": 1, "gpu": 2}, "node 1 has gpu; known are name, gpus"),
        ({"name": "a", "gpus": 1, "strategy": "mig"}, "strategy of a is 'mig'"),
        ({"name": "a", "gpus": 1, "resource": "amd.com/gpu"}, "resource of a is 'amd.com/gpu'"),
        ({"name": "a", "gpus": 1, "cpu": "many"}, "cpu of a is 'many'"),
        ({"name": "a", "gpus": 1, "unschedulable": "no"}, "unschedulable of a is 'no'"),
    ],
)
def test_the_short_format_refuses(entry: object, message: str) -> None:
    with pytest.raises(PlanError) as caught:
        parse_nodes(yaml.safe_dump({"nodes": [entry]}))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "neither a mapping with a list named nodes nor"),
        ("- a", "neither a mapping with a list named nodes nor"),
        ("kind: Pod", "neither a mapping with a list named nodes nor"),
        ("nodes: {a", "neither YAML nor JSON"),
        ('{"kind": ', "neither YAML nor JSON"),
        ("!!python/object/apply:os.system [id]", "neither YAML nor JSON"),
        ("nodes: []", "the list of nodes is empty"),
        (listed(), "the list of nodes is empty"),
        ("nodes: [{name: a, gpus: 1}, {name: a, gpus: 2}]", "node a is listed twice"),
        (listed({"kind": "Pod", "metadata": {"name": "p"}}), "item 1 is not of kind Node"),
        (listed({"kind": "Node", "metadata": []}), "metadata of item 1 is []; it must be a mapping"),
        (listed({"kind": "Node"}), "item 1 has no name"),
        (listed(kubernetes_node("a", taints=["team"])), "taints of a is ['team']; it must be a list of mappings"),
    ],
)
def test_what_is_no_list_of_nodes_is_refused(text: str, message: str) -> None:
    with pytest.raises(PlanError) as caught:
        parse_nodes(text)
    assert message in str(caught.value)


def test_an_unshared_node_of_kubernetes() -> None:
    item = kubernetes_node(
        "gke-1",
        labels={"kubernetes.io/hostname": "host-1", **shared_labels(4, 1, "none")},
        capacity={"nvidia.com/gpu": "4"},
        allocatable={"cpu": "7910m", "memory": "30Gi"},
    )
    assert parsed(item) == Node(name="gke-1", hostname="host-1", gpus=4, cpu=7910, memory=30 * GIB)


@pytest.mark.parametrize("kind", ["List", "NodeList"])
def test_yaml_and_json_say_the_same(kind: str) -> None:
    text = listed(kubernetes_node("a", capacity={"nvidia.com/gpu": "2"}), kind=kind)
    assert parse_nodes(yaml.safe_dump(json.loads(text))) == parse_nodes(text)


def test_a_single_node_is_a_list_of_one() -> None:
    item = kubernetes_node("a", capacity={"nvidia.com/gpu": "2"})
    assert parse_nodes(json.dumps(item)) == (parsed(item),)


def test_time_slicing_is_told_by_labels() -> None:
    item = kubernetes_node("a", labels=shared_labels(2, 3), capacity={"nvidia.com/gpu": "6"})
    found = parsed(item)
    assert (found.gpus, found.replicas, found.mps, found.trouble) == (2, 3, False, ())


def test_mps_and_a_renamed_resource_are_told() -> None:
    labels = shared_labels(2, 3, "mps")
    found = parsed(kubernetes_node("a", labels=labels, capacity={SHARED_GPU: "6", "nvidia.com/gpu": "0"}))
    assert (found.gpus, found.replicas, found.mps, found.resource) == (2, 3, True, SHARED_GPU)


def test_a_multiple_of_the_count_is_sharing() -> None:
    found = parsed(kubernetes_node("a", labels={"nvidia.com/gpu.count": "2"}, capacity={"nvidia.com/gpu": "6"}))
    assert (found.gpus, found.replicas) == (2, 3)


def test_without_labels_the_option_tells() -> None:
    item = kubernetes_node("a", capacity={"nvidia.com/gpu": "6"})
    assert (parsed(item).gpus, parsed(item).replicas) == (6, 1)
    assert (parsed(item, replicas=3).gpus, parsed(item, replicas=3).replicas) == (2, 3)
    labelled = kubernetes_node("a", labels=shared_labels(6, 1, "none"), capacity={"nvidia.com/gpu": "6"})
    assert parsed(labelled, replicas=3).replicas == 1


def test_shares_of_an_unknown_number_of_gpus_are_refused() -> None:
    with pytest.raises(PlanError, match=r"node a offers 6 nvidia\.com/gpu\.shared and no label says"):
        parsed(kubernetes_node("a", capacity={SHARED_GPU: "6"}))


@pytest.mark.parametrize(
    ("capacity", "replicas", "trouble"),
    [("5", None, "5 nvidia.com/gpu are not 2 GPUs x 3"), ("7", 3, "7 nvidia.com/gpu are not 3 GPUs x 3")],
)
def test_numbers_that_do_not_agree_leave_a_node_out(capacity: str, replicas: int | None, trouble: str) -> None:
    labels = shared_labels(2, 3) if replicas is None else {}
    item = kubernetes_node("a", labels=labels, capacity={"nvidia.com/gpu": capacity})
    assert parsed(item, replicas=replicas).trouble == (trouble,)


def test_gpus_that_the_plugin_does_not_offer_are_unhealthy() -> None:
    shared = kubernetes_node(
        "a", labels=shared_labels(2, 3), capacity={"nvidia.com/gpu": "6"}, allocatable={"nvidia.com/gpu": "3"}
    )
    assert (parsed(shared).gpus, parsed(shared).unhealthy_gpus) == (1, 1)


def test_without_a_plugin_the_label_counts() -> None:
    found = parsed(kubernetes_node("a", labels={"nvidia.com/gpu.count": "4"}))
    assert (found.gpus, found.unhealthy_gpus, found.replicas) == (4, 0, 1)


def test_gpus_divided_by_mig_are_left_out() -> None:
    labels = {"nvidia.com/gpu.count": "7", "nvidia.com/gpu.product": "A100-SXM4-40GB-MIG-1g.5gb"}
    found = parsed(kubernetes_node("a", labels=labels, capacity={"nvidia.com/gpu": "7"}))
    assert found.trouble == ("GPUs divided by MIG, which the planner does not know",)


GPU_TAINT = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("changes", "trouble"),
    [
        (
            {"unschedulable": True, "taints": [{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]},
            "cordoned",
        ),
        ({"ready": "False", "taints": [{"key": "node.kubernetes.io/not-ready", "effect": "NoExecute"}]}, "not Ready"),
        ({"ready": "Unknown"}, "not Ready"),
        ({"taints": [{"key": "team", "value": "vision", "effect": "NoSchedule"}]}, "tainted team=vision:NoSchedule"),
        ({"taints": [{"key": "dying", "effect": "NoExecute"}]}, "tainted dying:NoExecute"),
        ({"taints": [GPU_TAINT]}, "tainted nvidia.com/gpu=present:NoSchedule"),
    ],
)
def test_nodes_that_take_no_pods_are_left_out(changes: dict[str, Any], trouble: str) -> None:
    assert parsed(kubernetes_node("a", capacity={"nvidia.com/gpu": "2"}, **changes)).trouble == (trouble,)


def test_tolerated_and_mild_taints_do_not_matter() -> None:
    mild = {"key": "team", "effect": "PreferNoSchedule"}
    item = kubernetes_node("a", capacity={"nvidia.com/gpu": "2"}, taints=[mild, GPU_TAINT])
    assert parsed(item, tolerated=("nvidia.com/gpu",)).trouble == ()
