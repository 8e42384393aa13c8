"""Nodes and edges of the lineage graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from modelyard.registry.access.rules import Place


class FoundEdge(NamedTuple):
    """A plain tuple: there may be tens of thousands."""

    source: str
    target: str
    relation: str
    details: str | None


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
    recall: str | None
    """JSON: mode, reason, by, at."""


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
