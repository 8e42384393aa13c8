"""Versions, their aliases, and reports about them."""

from __future__ import annotations

from typing import Any

from modelyard.domain.events.base import Event


class VersionRegistered(Event, kind="version.registered", may_change_rights=False):
    digest: str
    record_digest: str
    size_bytes: int


class VersionEdited(Event, kind="version.edited"):
    changes: dict[str, Any]
    """Field → [before, after]."""


class VersionArchived(Event, kind="version.archived"):
    digest: str
    record_digest: str
    reason: str | None = None


class VersionRestored(Event, kind="version.restored"):
    digest: str
    record_digest: str


class VersionDeleted(Event, kind="version.deleted"):
    """A version was deleted. orphans: its descendants that stay, as far as the deleting actor could see them."""

    digest: str
    record_digest: str
    reason: str | None = None
    orphans: list[str] | None = None


class VersionKept(Event, kind="version.kept"):
    """A version was marked as one that must be kept: no one deletes it, and no retention rule touches it."""

    digest: str
    reason: str


class VersionKeepEnded(Event, kind="version.keep_ended"):
    """The mark was removed."""

    digest: str
    reason: str | None = None


class VersionImageMade(Event, kind="version.image_made"):
    """A container image was made of a version. image: its digest. reference: where it can be pulled."""

    digest: str
    image: str
    reference: str | None = None


class AliasMoved(Event, kind="alias.moved", may_change_rights=False):
    """An alias moved. `version`: its target now."""

    alias: str
    revision: int
    digest: str
    record_digest: str
    from_version: int | None = None
    reason: str | None = None


class AliasRemoved(Event, kind="alias.removed"):
    """An alias was removed. `version`: its last target."""

    alias: str
    revision: int
    reason: str | None = None


class VersionDeprecated(Event, kind="version.deprecated"):
    digest: str
    replacement: int | None = None
    ends_at: str | None = None
    reason: str | None = None


class VersionUndeprecated(Event, kind="version.undeprecated"):
    digest: str


class VersionRecalled(Event, kind="version.recalled"):
    """A version was recalled. mode: refuse or warn. aliases: those on it. affected: the number of its descendants."""

    digest: str
    record_digest: str
    mode: str
    reason: str
    aliases: list[str]
    affected: int


class RecallLifted(Event, kind="version.recall_lifted"):
    digest: str
    record_digest: str
    reason: str | None = None


class AncestorRecalled(Event, kind="version.ancestor_recalled"):
    """An ancestor was recalled; logged for each descendant, so that its watchers are notified."""

    digest: str
    ancestor: str
    mode: str
    reason: str
    aliases: list[str]


class CheckReported(Event, kind="check.reported"):
    digest: str
    check: str
    state: str
    url: str | None = None


class VersionEvaluated(Event, kind="version.evaluated"):
    digest: str
    metrics: list[dict[str, Any]]
    split: str | None = None
    dataset: str | None = None


class VersionAttested(Event, kind="version.attested"):
    digest: str
    record_digest: str
    signature: str


class CardEdited(Event, kind="card.edited"):
    """A card was set. card_digest: sha256 of the text."""

    digest: str
    card_digest: str
