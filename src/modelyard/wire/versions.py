"""Versions, their files, and aliases."""

from __future__ import annotations

from typing import Any

import msgspec

from modelyard.wire.base import Answer, Items, ManyItems, Mapped, Page, PageQuery, Reason, Request, Text, Whole


class FileEntry(Request, kw_only=True):
    path: Text
    digest: Text
    size: Whole
    media_type: Text | None = None
    """Set by the server; ignored in requests."""


class RegisterVersion(Request, kw_only=True):
    """facts: code, environment, data, params, metrics, image, signature, parents, run, loader."""

    files: ManyItems[FileEntry]
    facts: Mapped[Any] = {}
    description: Text = ""
    tags: Mapped[Text] = {}
    aliases: Items[Text] = []
    force_new: bool = False


class WithheldFile(Answer, kw_only=True):
    """A file that is not served any more, since it holds what leaked. event: number of the withholding in the log."""

    path: str
    digest: str
    event: int | None
    by: str
    at: str
    reason: str


class Version(Answer, kw_only=True):
    model: str
    version: int
    reference: str
    digest: str
    commit: str
    """The first 40 hex digits of the digest, as Hugging Face clients name it."""
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
    """What the files say of themselves: framework, parameters, dtypes, licence, …"""
    completeness: float
    """Known / applicable facts, 0 to 1."""
    missing: list[str]
    """The facts that are not known, by name."""
    scan: str = ""
    """The worst verdict on its files: no_code, allowlisted, unknown, not_scanned, dangerous; or pending."""
    quarantined: bool = False
    """True: neither its bytes are served nor do aliases move to it, until somebody releases it."""
    warning: str | None = None
    """Of a deprecated, recalled, quarantined or unscanned version: what that means for the person who uses it."""
    recalled: dict[str, Any] | None = None
    """mode (refuse or warn), reason, by, at; None: it was not recalled."""
    withheld: list[WithheldFile] = []
    """Its files that are not served any more; in lists of versions empty, and told by `warning`."""
    created: bool | None = None
    """In the answer to a registration: whether the version is new."""


class VersionPage(Page, kw_only=True):
    items: list[Version]


class DeleteVersion(Reason, kw_only=True):
    """orphan_children: also when versions came from it that the caller may see; needs a reason."""

    orphan_children: bool = False


class VersionQuery(PageQuery, kw_only=True):
    """state: ready, archived, deleted; tag: `key=value`; metric: `f1>=0.7`."""

    state: Items[Text] = msgspec.field(default_factory=lambda: ["ready", "archived"])
    tag: Items[Text] = []
    metric: Items[Text] = []


class EditVersion(Request, kw_only=True):
    """Fields left out stay as they are. tags is the whole new set."""

    description: Text | None = None
    tags: Mapped[Text] | None = None
    archived: bool | None = None
    reason: Text | None = None


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
    """What a reference means now."""

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
    recalled: dict[str, Any] | None = None
    """mode (refuse or warn), reason, by, at; None: it was not recalled."""
    withheld: list[WithheldFile] = []
    """Files that a pull leaves out."""


class ResolveQuery(Request, kw_only=True):
    ref: Text
    serving: bool = False
    """True: warn when the reference names no version, alias or digest."""


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
    """None: removed."""
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
    """looked_at: how many events there are, where none is as asked for."""

    items: list[Event]
    looked_at: int | None = None


class EventQuery(PageQuery, kw_only=True):
    """since, until: RFC 3339; until is exclusive. kind: * stands for any text, as in promotion.*"""

    actor: Text | None = None
    kind: Items[Text] = []
    since: Text | None = None
    until: Text | None = None


class LogQuery(EventQuery, kw_only=True):
    """model, namespace: only their events; without, those of the whole server."""

    model: Text | None = None
    namespace: Text | None = None
