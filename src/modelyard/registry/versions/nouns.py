"""Versions and aliases."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from modelyard.domain.digest import Digest
from modelyard.domain.names import ModelName
from modelyard.registry.access.rules import Place
from modelyard.registry.scan.rules import PENDING


@dataclass(frozen=True, slots=True)
class AliasRow:
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


class Version(msgspec.Struct, frozen=True):
    """A version without its files and its record's text."""

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
    format_facts: str
    record: str
    deprecation: str | None = None
    """JSON: replacement, ends_at, reason, by, at."""
    scan: str = PENDING
    """The worst verdict on its files, or pending."""
    quarantined: int = 0
    released: str | None = None
    """JSON: by, at, reason, verdict."""
    recall: str | None = None
    """JSON: mode, reason, by, at."""
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
    deprecation: str | None
    """JSON: replacement, ends_at, reason, by, at."""
    scan: str
    quarantined: bool
    recall: str | None
    """JSON: mode, reason, by, at."""
    manifest_id: int
    withheld: int
    """How many of its files are withheld."""

    @property
    def is_held(self) -> bool:
        return self.quarantined or self.scan == PENDING


@dataclass(frozen=True, slots=True)
class Same:
    """An earlier version of the model with the same files."""

    number: int
    record_digest: str
    state: str
    manifest_id: int
    format_facts: str
    scan: str
    newest_manifest_id: int | None
    """Of the model's newest served version."""
    withheld: int
    """How many of the files are withheld."""
