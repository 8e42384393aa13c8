"""Versions and aliases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from modelyard.db.json_columns import JsonText
from modelyard.domain.digest import Digest
from modelyard.domain.names import ModelName
from modelyard.domain.record import is_known
from modelyard.registry.access.rules import Place
from modelyard.registry.scan.nouns import Release
from modelyard.registry.scan.rules import PENDING


class AliasPosition(msgspec.Struct, frozen=True):
    """The target of an alias; number None: it was removed."""

    alias: str
    number: int | None
    digest: str | None
    revision: int
    updated_at: int
    updated_by: str


class AliasMove(msgspec.Struct, frozen=True):
    alias: str
    revision: int
    from_number: int | None
    to_number: int | None
    at: int
    actor: str
    reason: str | None


class Deprecation(msgspec.Struct, frozen=True, omit_defaults=True):
    """The deprecation of a version, which stays usable."""

    by: str
    at: int
    replacement: int | None = None
    """Number of the version to use instead."""
    ends_at: str | None = None
    """When it will be taken away, RFC 3339."""
    reason: str | None = None


class Recall(msgspec.Struct, frozen=True):
    """The recall of a version, which must not be used. mode: refuse or warn."""

    at: int
    by: str
    mode: str
    reason: str


class Keep(msgspec.Struct, frozen=True):
    """The mark of a version that must be kept, for example because of a legal hold."""

    at: int
    by: str
    reason: str


class Image(msgspec.Struct, frozen=True):
    """A container image that was made of a version. reference: where it can be pulled; "": nowhere yet."""

    at: int
    by: str
    digest: str
    reference: str = ""

    @property
    def pinned(self) -> str | None:
        """Return where these very bytes can be pulled, `registry.example.com/scorer@sha256:…`; None: nowhere yet."""
        name = self.reference.partition("@")[0]
        folder, slash, last = name.rpartition("/")
        return f"{folder}{slash}{last.partition(':')[0]}@{self.digest}" if name else None


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
    """Facts from the files themselves."""
    record: JsonText[dict[str, Any]]
    """The frozen facts; the record digest covers their canonical text."""
    deprecation: Deprecation | None = None
    scan: str = PENDING
    """The worst verdict on its files, or pending."""
    quarantined: int = 0
    released: Release | None = None
    recall: Recall | None = None
    withheld: int = 0
    """Number of its withheld files."""
    semver: str | None = None
    """The semantic version that people gave it."""
    pull_request: str | None = None
    """Address of the pull request that it came from."""
    kept: Keep | None = None
    """The mark that it must be kept; None: it has none."""
    build: str | None = None
    """uid of the build that registered it; None: a person or a program did."""
    image: Image | None = None
    """The newest image that was made of it; None: none was."""

    def facts(self, until: int | None = None) -> Mapping[str, Any]:
        """Return the facts of the record. One that knows no image has the one that was made of the version.

        until: only an image that was made up to that time; None: up to now."""
        facts = self.record.value
        made = self.image
        if made is None or (until is not None and made.at > until) or is_known(facts, "image"):
            return facts
        named = {"reference": made.reference} if made.reference else {}
        return {**facts, "image": {**(facts.get("image") or {}), "digest": made.digest, **named}}

    @property
    def is_held(self) -> bool:
        """Return whether the version is not served: in quarantine, or not scanned yet."""
        return bool(self.quarantined) or self.scan == PENDING


class Resolved(msgspec.Struct, frozen=True):
    """The present target of a reference."""

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
    """Number of its withheld files."""
    serves_unknown: bool = False
    """Whether its namespace serves files that name unknown code, with a warning."""

    @property
    def is_held(self) -> bool:
        return self.quarantined or self.scan == PENDING


class EarlierVersion(msgspec.Struct, frozen=True):
    """An earlier version of the model with the same files."""

    number: int
    record_digest: str
    state: str
    manifest_id: int
    format_facts: JsonText[dict[str, Any]]
    scan: str
    withheld: int
    """Number of its withheld files."""
    newest_manifest_id: int | None
    """Of the model's newest served version."""


class StoredManifest(msgspec.Struct, frozen=True):
    """The files of a new version, as they are stored."""

    id: int
    format_facts: JsonText[dict[str, Any]]
    framework: str | None
    licence: str | None
    scan: str
    card: str | None
    """The searched text of the card; None: unchanged."""
