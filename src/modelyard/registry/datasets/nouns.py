"""Datasets, their versions and their uses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from modelyard.db.json_columns import JsonText
from modelyard.domain.digest import Digest


@dataclass(frozen=True, slots=True)
class DatasetVersion:
    """One content. entry: as it was described first; most readers of a content do not ask for it."""

    id: int
    namespace: str
    name: str
    digest: Digest
    entry: JsonText[dict[str, Any]]
    profile: Digest | None
    created_at: int
    created_by: str
    withheld_profile: Digest | None = None
    """The profile, where its bytes are withheld; `profile` is None then."""

    @property
    def reference(self) -> str:
        return f"{self.namespace}/{self.name}@{self.digest}"


@dataclass(frozen=True, slots=True)
class Dataset:
    namespace: str
    name: str
    versions: int
    newest: Digest
    updated_at: int


@dataclass(frozen=True, slots=True)
class DatasetUse:
    """An edge that leaves a content: who read it, how."""

    target: str
    relation: str
    details: dict[str, Any]
    at: int
