"""Nodes and edges of the lineage graph."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from modelyard.registry.access.rules import Place
from modelyard.registry.versions.nouns import Recall


class FoundEdge(NamedTuple):
    """An edge as a plain tuple, since there may be tens of thousands."""

    source: str
    target: str
    relation: str
    details: str | None
    """JSON: edges are compared with each other before they are shown."""


class GraphEdge(msgspec.Struct, frozen=True):
    """An edge as a graph shows it; without details if an end is hidden."""

    source: str
    target: str
    relation: str
    details: dict[str, Any]


class VersionNode(msgspec.Struct, frozen=True):
    id: int
    model_id: int
    number: int
    digest: str
    state: str
    created_at: int
    created_by: str
    deprecated: bool | int
    recall: Recall | None


class ModelNode(msgspec.Struct, frozen=True):
    id: int
    place: Place
    deleted: bool

    @property
    def name(self) -> str:
        return f"{self.place.namespace}/{self.place.model}"


class DatasetNode(msgspec.Struct, frozen=True):
    id: int
    namespace_id: int
    name: str
    digest: str
    created_at: int
    created_by: str


class RunNode(msgspec.Struct, frozen=True):
    uid: str
    namespace_id: int
    name: str
    status: str
    created_at: int
    created_by: str
