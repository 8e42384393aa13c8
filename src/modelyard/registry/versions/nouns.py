"""Versions and aliases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from modelyard.db.json_columns import JsonText
from modelyard.domain.digest import Digest
from modelyard.domain.names import ModelName
from modelyard.registry.access.rules import Place
from modelyard.registry.scan.nouns import Release
from modelyard.registry.scan.rules import PENDING


@dataclass(frozen=True, slots=True)
class AliasPosition:
    """Where an alias stands; number None: it was removed."""

    alias: str
    number: int | None
    digest: str | None
    revision: int
    updated_at: int
    updated_by: str


@dataclass(frozen=True, slots=True)
class AliasMove:
    alias: str
    revision: int
    from_number: int | None
    to_number: int | None
    at: int
    actor: str
    reason: str | None


class Deprecation(msgspec.Struct, frozen=True, omit_defaults=True):
    """A version is still usable, but not the one to use."""

    by: str
    at: int
    replacement: int | None = None
    """Number of the version to use instead."""
    ends_at: str | None = None
    """When it will be taken away, RFC 3339."""
    reason: str | None = None


class Recall(msgspec.Struct, frozen=True):
    """A version is not to be used. mode: refuse or warn."""

    at: int
    by: str
    mode: str
    reason: str


class Version(msgspec.Struct, frozen=True):
    """A version without its files."""

    # No dataclass: a page makes a hundred of them, and a frozen dataclass takes fifteen times as long.
    id: int
    model_id: int
    number: int
    digest: Digest
    record_digest: Digest
    state: str
    description: str
    revision: int
    created_at: int
    updated_at: int
    created_by: str
    manifest_id: int
    size_bytes: int
    file_count: int
    format_facts: JsonText[dict[str, Any]]
    """What the files say of themselves."""
    record: JsonText[dict[str, Any]]
    """The frozen facts; their canonical text is what the record digest is about."""
    deprecation: Deprecation | None = None
    scan: str = PENDING
    """The worst verdict on its files, or pending."""
    quarantined: int = 0
    released: Release | None = None
    recall: Recall | None = None
    withheld: int = 0
    """How many of its files are withheld."""

    @property
    def is_held(self) -> bool:
        """Not served: quarantined, or not looked into yet."""
        return bool(self.quarantined) or self.scan == PENDING


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a reference means now."""

    model: ModelName
    number: int
    digest: Digest
    record_digest: Digest
    state: str
    size_bytes: int
    created_at: int
    alias_revision: int | None
    place: Place
    deleted: bool
    deprecation: Deprecation | None
    scan: str
    quarantined: bool
    recall: Recall | None
    manifest_id: int
    withheld: int
    """How many of its files are withheld."""

    @property
    def is_held(self) -> bool:
        return self.quarantined or self.scan == PENDING


@dataclass(frozen=True, slots=True)
class EarlierVersion:
    """An earlier version of the model with the same files."""

    number: int
    record_digest: str
    state: str
    manifest_id: int
    format_facts: JsonText[dict[str, Any]]
    scan: str
    newest_manifest_id: int | None
    """Of the model's newest served version."""
    withheld: int
    """How many of the files are withheld."""
