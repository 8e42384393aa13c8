"""Versions, their files, and aliases."""

from __future__ import annotations

from typing import Any

import msgspec

from modelyard.wire.base import Answer, Items, ManyItems, Mapped, Page, PageQuery, Reason, Request, Text, Whole


class FileEntry(Request, kw_only=True, gc=False):
    path: Text
    digest: Text
    size_bytes: Whole
    media_type: Text | None = None
    """Set by the server; ignored in requests."""


class RegisterVersion(Request, kw_only=True):
    """facts: code, environment, data, params, metrics, image, signature, parents, run, loader."""

    files: ManyItems[FileEntry]
    facts: Mapped[Any] = {}
    description: Text = ""
    tags: Mapped[Text] = {}
    aliases: Items[Text] = []
    semver: Text | None = None
    """Semantic version, for example 2.1.0; no other version of the model may have it."""
    pull_request: Text | None = None
    """Address of the pull request that the version came from."""
    force_new: bool = False


class WithheldFile(Answer, kw_only=True):
    """A file that is no longer served, because it holds leaked data. event: number of its event in the log."""

    path: str
    digest: str
    event: int | None
    by: str
    at: str
    reason: str


class Recalled(Answer, kw_only=True):
    """mode: refuse (it is not served) or warn."""

    mode: str
    reason: str
    by: str
    at: str


class Deprecated(Answer, kw_only=True):
    """replacement: number of the version to use instead. ends_at: time of removal."""

    by: str
    at: str
    replacement: int | None
    ends_at: str | None
    reason: str | None


class Image(Answer, kw_only=True):
    """A container image that was made of a version. reference: where it can be pulled; "": nowhere yet."""

    digest: str
    reference: str
    by: str
    at: str


class Kept(Answer, kw_only=True):
    """The mark of a version that must be kept."""

    reason: str
    by: str
    at: str


class Version(Answer, kw_only=True):
    model: str
    version: int
    reference: str
    digest: str
    commit: str
    """The first 40 hex digits of the digest, for Hugging Face clients."""
    record_digest: str
    state: str
    """ready, archived or deleted"""
    description: str
    tags: dict[str, str]
    aliases: list[str]
    size_bytes: int
    file_count: int
    created_at: str
    created_by: str
    updated_at: str
    revision: int
    metrics: list[dict[str, Any]]
    params: dict[str, Any]
    format: dict[str, Any]
    """Facts read from the files: framework, parameters, dtypes, licence, …"""
    completeness: float
    """Known / applicable facts, 0 to 1."""
    missing: list[str]
    """Names of missing facts."""
    scan: str = ""
    """Worst verdict on its files: no_code, allowlisted, unknown, not_scanned, dangerous; or pending."""
    quarantined: bool = False
    """True: its bytes are not served and aliases cannot move to it until it is released."""
    warning: str | None = None
    """For a deprecated, recalled, quarantined or unscanned version: a sentence for the people who use it."""
    flags: list[str] = []
    """Problems of the version, gravest first: deleted, recalled, recalled (warning), quarantined, not scanned yet,
    damaged, files withheld, deprecated, archived."""
    recalled: Recalled | None = None
    deprecated: Deprecated | None = None
    withheld: list[WithheldFile] = []
    """Files that are no longer served. Empty in lists of versions, where `warning` mentions them."""
    semver: str | None = None
    """Semantic version, for example 2.1.0."""
    pull_request: str | None = None
    """Address of the pull request that the version came from."""
    kept: Kept | None = None
    image: Image | None = None
    """The mark that no one may delete it; null: it has none."""
    build: str | None = None
    """The build that registered it; null: a person or a program did."""
    created: bool | None = None
    """In the answer to a registration, whether the version is new."""


class VersionPage(Page, kw_only=True):
    items: list[Version]


class DeleteVersion(Reason, kw_only=True):
    """orphan_children: delete it even if versions that the caller may see derive from it; needs a reason."""

    orphan_children: bool = False


class VersionQuery(PageQuery, kw_only=True):
    """state: ready, archived, deleted; tag: `key=value`; metric: `f1>=0.7`; semver: `2.1.0`, or a beginning: `2.1`."""

    state: Items[Text] = msgspec.field(default_factory=lambda: ["ready", "archived"])
    tag: Items[Text] = []
    metric: Items[Text] = []
    semver: Text | None = None
    pull_request: Text | None = None


class EditVersion(Request, kw_only=True):
    """Fields left out stay unchanged. tags replaces the old set; an empty semver or pull_request removes it."""

    description: Text | None = None
    tags: Mapped[Text] | None = None
    archived: bool | None = None
    reason: Text | None = None
    semver: Text | None = None
    pull_request: Text | None = None


class KeepVersion(Request, kw_only=True):
    """reason: why it must be kept, for example the name of a legal hold."""

    reason: Text


class RecordImage(Request, kw_only=True):
    """digest: of the image. reference: where it can be pulled; "": nowhere yet."""

    digest: Text
    reference: Text = ""


class FileList(Answer, kw_only=True):
    reference: str
    digest: str
    items: list[FileEntry]


class DamagedFile(Answer, kw_only=True):
    path: str
    problem: str
    """missing or corrupt"""


class Verification(Answer, kw_only=True):
    reference: str
    damaged: list[DamagedFile]


class Resolved(Answer, kw_only=True):
    """The version that a reference means now."""

    model: str
    version: int
    reference: str
    digest: str
    record_digest: str
    state: str
    size_bytes: int
    created_at: str
    alias_revision: int | None = None
    scan: str = ""
    quarantined: bool = False
    warning: str | None = None
    flags: list[str] = []
    """Problems of the version, gravest first; damaged bytes are not checked here."""
    recalled: Recalled | None = None
    deprecated: Deprecated | None = None
    withheld: list[WithheldFile] = []
    """Files that a pull leaves out."""


class ResolveQuery(Request, kw_only=True):
    ref: Text
    serving: bool = False
    """True: warn if the reference does not name a version number, alias or digest."""


class Alias(Answer, kw_only=True):
    model: str
    alias: str
    version: int
    digest: str
    revision: int
    updated_at: str
    updated_by: str


class AliasList(Answer, kw_only=True):
    items: list[Alias]


class SetAlias(Request, kw_only=True):
    """version: a number; or target: `@alias`, `@sha256:…` or a number as text."""

    version: Whole | None = None
    target: Text | None = None
    reason: Text | None = None


class AliasMove(Answer, kw_only=True):
    alias: str
    revision: int
    from_version: int | None
    to_version: int | None
    """None: the alias was removed."""
    at: str
    actor: str
    reason: str | None


class AliasMovePage(Page, kw_only=True):
    items: list[AliasMove]


class MoveQuery(PageQuery, kw_only=True):
    at: Text | None = None
    """Only moves made at or before this time (RFC 3339)."""


class Event(Answer, kw_only=True):
    seq: int
    at: str
    kind: str
    actor: str
    namespace: str | None = None
    model: str | None = None
    version: int | None = None
    data: dict[str, Any] = {}


class EventPage(Page, kw_only=True):
    """looked_at: number of events searched, if none matches."""

    items: list[Event]
    looked_at: int | None = None


class EventQuery(PageQuery, kw_only=True):
    """since, until: RFC 3339; until is exclusive. kind: * stands for any text, as in promotion.*."""

    actor: Text | None = None
    kind: Items[Text] = []
    since: Text | None = None
    until: Text | None = None
    version: Whole | None = None
    """Number of a version of the model."""


class LogQuery(EventQuery, kw_only=True):
    """model, namespace: only events of these. Without either: events of the whole server."""

    model: Text | None = None
    namespace: Text | None = None
