"""The lineage graph, and recalls."""

from __future__ import annotations

from typing import Any

from modelyard.wire.base import Answer, Request, Text, Whole
from modelyard.wire.versions import Recalled


class LineageQuery(Request, kw_only=True):
    """ref: a version, `[namespace/]dataset@sha256:…` or `run:<id>`. kind: version or dataset, if ref could mean either.
    direction: up, down or both. depth: at most this many steps. format: native or openlineage."""

    ref: Text
    kind: Text | None = None
    direction: Text = "both"
    depth: Whole | None = None
    format: Text = "native"


class Node(Answer, kw_only=True):
    """hidden: the caller may not see it, so only its kind is given. depth: steps from the starting node. name: a
    reference that other requests understand; for a node outside this registry, its own text."""

    key: str
    kind: str
    """dataset, run, version, deployment or outside"""
    depth: int
    name: str
    hidden: bool
    title: str = ""
    """Name of a run."""
    digest: str | None = None
    state: str | None = None
    aliases: list[str] = []
    owners: list[str] = []
    deprecated: bool = False
    recalled: Recalled | None = None
    created_at: str | None = None
    created_by: str | None = None


class Edge(Answer, kw_only=True):
    """source → target, by key. relation: trained_on, evaluated_on, read, produced, finetune, adapter, quantized,
    merge, conversion, retrained or deployed."""

    source: str
    target: str
    relation: str
    details: dict[str, Any] = {}


class Lineage(Answer, kw_only=True):
    """starts: keys of the requested nodes. nodes: nearest first. truncated: there are more edges."""

    starts: list[str]
    nodes: list[Node]
    edges: list[Edge]
    hidden: int
    truncated: bool


class OpenLineage(Answer, kw_only=True):
    """Run events of the OpenLineage specification, oldest first."""

    events: list[dict[str, Any]]


class Recall(Request, kw_only=True):
    """mode: refuse or warn."""

    reason: Text
    mode: Text = "refuse"
