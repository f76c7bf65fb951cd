"""Lists of nodes, in either format."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import yaml

from deploy.plan.node import Node
from deploy.plan.node_file import node_from_entry
from deploy.plan.node_object import node_from_object
from deploy.plan.plan_error import PlanError


def read_nodes(path: Path, *, tolerated: tuple[str, ...] = (), replicas: int | None = None) -> tuple[Node, ...]:
    """The nodes of a file, YAML or JSON, or of standard input where the path is "-".

    Raises:
        PlanError: it cannot be read or breaks its format.
    """
    try:
        text = sys.stdin.read() if path == Path("-") else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError(f"nodes {path} cannot be read ({error}): name a file, or - for standard input") from error
    return parse_nodes(text, tolerated=tolerated, replicas=replicas)


def parse_nodes(text: str, *, tolerated: tuple[str, ...] = (), replicas: int | None = None) -> tuple[Node, ...]:
    """The nodes of a text; `deploy.plan.node_file` and `deploy.plan.node_object` tell the formats.

    Raises:
        PlanError: it breaks its format, is empty, or names a node twice.
    """
    try:
        # JSON is YAML as well, but a large cluster's takes YAML's parser minutes.
        document = json.loads(text) if text.lstrip().startswith("{") else yaml.safe_load(text)
    except (yaml.YAMLError, json.JSONDecodeError) as error:
        raise PlanError(f"the nodes are neither YAML nor JSON: {' '.join(str(error).split())}") from error
    if isinstance(document, Mapping) and isinstance(document.get("nodes"), list):
        nodes = tuple(node_from_entry(entry, f"node {at}") for at, entry in enumerate(document["nodes"], 1))
    elif isinstance(document, Mapping) and document.get("kind") in {"List", "NodeList", "Node"}:
        entries = [document] if document["kind"] == "Node" else document.get("items") or []
        if document["kind"] == "NodeList":
            # Written by hand, or by the API itself, its items need not say what they are.
            entries = [{"kind": "Node", **entry} if isinstance(entry, Mapping) else entry for entry in entries]
        nodes = tuple(
            node_from_object(entry, f"item {at}", tolerated=tolerated, replicas=replicas)
            for at, entry in enumerate(entries, 1)
        )
    else:
        raise PlanError(
            "the nodes are neither a mapping with a list named nodes nor of kind List, NodeList or Node: give the "
            "output of kubectl get nodes -o json, or a list as --help describes it"
        )
    if not nodes:
        raise PlanError("the list of nodes is empty; there must be at least one: ask kubectl get nodes what it sees")
    names = [node.name for node in nodes]
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise PlanError(f"node {twice[0]} is listed twice; names must differ: leave one out")
    return nodes
