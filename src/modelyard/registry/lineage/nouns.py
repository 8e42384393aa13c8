"""Nodes and edges of the lineage graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from modelyard.registry.access.rules import Place
from modelyard.registry.versions.nouns import Recall


class FoundEdge(NamedTuple):
    """A plain tuple: there may be tens of thousands."""

    source: str
    target: str
    relation: str
    details: str | None
    """JSON: edges are compared with each other before they are shown."""


@dataclass(frozen=True, slots=True)
class GraphEdge:
    """As a graph shows it; without details where an end is hidden."""

    source: str
    target: str
    relation: str
    details: dict[str, Any]


@dataclass(frozen=True, slots=True)
class VersionNode:
    id: int
    model_id: int
    number: int
    digest: str
    state: str
    created_at: int
    created_by: str
    deprecated: bool | int
    recall: Recall | None


@dataclass(frozen=True, slots=True)
class ModelNode:
    id: int
    place: Place
    deleted: bool

    @property
    def name(self) -> str:
        return f"{self.place.namespace}/{self.place.model}"


@dataclass(frozen=True, slots=True)
class DatasetNode:
    id: int
    namespace_id: int
    name: str
    digest: str
    created_at: int
    created_by: str


@dataclass(frozen=True, slots=True)
class RunNode:
    uid: str
    namespace_id: int
    name: str
    status: str
    created_at: int
    created_by: str
