"""Datasets, their versions and their uses."""

from __future__ import annotations

from dataclasses import dataclass

from modelyard.domain.digest import Digest


@dataclass(frozen=True, slots=True)
class DatasetVersion:
    """One content. entry: JSON of what was first said of it."""

    id: int
    namespace: str
    name: str
    digest: Digest
    entry: str
    profile: Digest | None
    created_at: int
    created_by: str
    withheld_profile: Digest | None = None
    """The profile, where its bytes are withheld; `profile` is None then."""

    @property
    def reference(self) -> str:
        return f"{self.namespace}/{self.name}@{self.digest}"


@dataclass(frozen=True, slots=True)
class DatasetRow:
    namespace: str
    name: str
    versions: int
    newest: Digest
    updated_at: int


@dataclass(frozen=True, slots=True)
class Use:
    """An edge that leaves a content: who read it, how."""

    target: str
    relation: str
    details: str | None
    at: int
