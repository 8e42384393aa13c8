"""Datasets, their versions and their uses."""

from __future__ import annotations

from typing import Any

import msgspec

from modelyard.db.json_columns import JsonText
from modelyard.domain.digest import Digest


class DatasetVersion(msgspec.Struct, frozen=True):
    """One content of a dataset. entry: its first description; most readers do not ask for it."""

    id: int
    namespace: str
    name: str
    digest: Digest
    entry: JsonText[dict[str, Any]]
    profile: Digest | None
    created_at: int
    created_by: str
    withheld_profile: Digest | None = None
    """The profile if its bytes are withheld; then `profile` is None."""

    @property
    def reference(self) -> str:
        return f"{self.namespace}/{self.name}@{self.digest}"


class Dataset(msgspec.Struct, frozen=True):
    namespace: str
    name: str
    versions: int
    newest: Digest
    updated_at: int


class DatasetUse(msgspec.Struct, frozen=True):
    """An edge from a dataset's content: its reader and the kind of use."""

    target: str
    relation: str
    details: dict[str, Any]
    at: int
