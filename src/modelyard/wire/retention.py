"""Retention rules, collection of unused bytes, and verification of stored bytes."""

from __future__ import annotations

from modelyard.wire.base import Answer, Page, Request, Text, Whole


class SetRetentionRule(Request, kw_only=True):
    """At least one of keep_versions and keep_for. keep_for: a time such as 90d. action: archive or delete."""

    keep_versions: Whole | None = None
    keep_for: Text | None = None
    action: Text = "archive"


class RetentionRule(Answer, kw_only=True):
    """The versions that stay: the newest `keep_versions` of each model, and those younger than `keep_for`.

    action: what happens to the others: archive or delete; null: the namespace has no rule.
    """

    namespace: str
    action: str | None
    keep_versions: int | None
    keep_for: str | None


class JudgedVersion(Answer, kw_only=True):
    """stays: whether the rule leaves the version as it is. reason: why it stays or goes."""

    model: str
    version: int
    size_bytes: int
    stays: bool
    reason: str


class JudgedPage(Page, kw_only=True):
    items: list[JudgedVersion]


class RetentionRun(Answer, kw_only=True):
    """versions: how many were archived or deleted; size_bytes: of these."""

    action: str
    versions: int
    size_bytes: int


class CollectGarbage(Request, kw_only=True):
    dry_run: bool = True
    grace_hours: float | None = None
    """None: the server's setting."""


class Collection(Answer, kw_only=True):
    dry_run: bool
    blobs: int
    size_bytes: int
    orphans: int
    uploads: int
    withheld: int = 0
    """Number of `blobs` that were withheld but still stored."""


class StorageUse(Answer, kw_only=True):
    """The stored bytes, each digest counted once. damaged: number of blobs that were found damaged."""

    blobs: int
    size_bytes: int
    damaged: int


class Damage(Answer, kw_only=True):
    digest: str
    problem: str


class ScrubProgress(Answer, kw_only=True):
    """One server-sent event of a scrub; the last one has finished = true."""

    checked: int
    size_bytes: int
    damage: list[Damage]
    finished: bool
