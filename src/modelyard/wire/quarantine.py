"""Scans of versions, the quarantine, and trusted globals of a namespace."""

from __future__ import annotations

from modelyard.wire.base import Answer, Page, PageQuery, Request, Text


class ScanFinding(Answer, kw_only=True):
    """inside: the path inside containers; offset and opcode: the place in the pickle; name: the global."""

    verdict: str
    why: str
    inside: str = ""
    offset: int | None = None
    opcode: str | None = None
    name: str | None = None
    trusted: bool = False
    """Whether its global is trusted in this namespace."""


class FoundSecret(Answer, kw_only=True):
    """A text that looks like a credential. The text itself is never kept."""

    line: int
    kind: str


class ScannedFile(Answer, kw_only=True):
    """verdict: no_code, allowlisted, unknown, not_scanned, dangerous, or pending. kinds: pickle, zip, npy, …"""

    path: str
    verdict: str
    kinds: list[str]
    allowed: int
    """Number of different globals of the allow-list that it names."""
    findings: list[ScanFinding]
    secrets: list[FoundSecret]


class Release(Answer, kw_only=True):
    """alone: released by the person who pushed it, because no one else had the right."""

    by: str
    at: str
    reason: str
    verdict: str
    alone: bool = False


class Scan(Answer, kw_only=True):
    """verdict: the worst of its files, with the namespace's trusted globals; files without findings are left out.

    fix: the command with which a maintainer releases it; None for a version that is served.
    """

    reference: str
    verdict: str
    quarantined: bool
    rules: int
    unknown: list[str]
    """Unknown globals that this namespace does not trust."""
    files: list[ScannedFile]
    released: Release | None = None
    licence: str | None = None
    fix: str | None = None


class ReleaseVersion(Request, kw_only=True):
    reason: Text


class QuarantinedVersion(Answer, kw_only=True):
    reference: str
    model: str
    version: int
    digest: str
    verdict: str
    registered_at: str
    registered_by: str
    why: str = ""


class QuarantinePage(Page, kw_only=True):
    items: list[QuarantinedVersion]


class QuarantineQuery(PageQuery, kw_only=True):
    namespace: Text | None = None


class ScannedRunFile(Answer, kw_only=True):
    """why: the gravest finding; '' if there is none."""

    path: str
    digest: str
    verdict: str
    quarantined: bool
    why: str
    released: Release | None = None


class RunScan(Answer, kw_only=True):
    run: str
    files: list[ScannedRunFile]


class ServeUnknown(Request, kw_only=True):
    """serve: whether versions that name unknown code are served."""

    serve: bool
    reason: str


class TrustGlobal(Request, kw_only=True):
    """name: `module.name`, as a scan shows it."""

    name: Text
    reason: Text = ""


class UntrustQuery(Request, kw_only=True):
    name: Text


class TrustedGlobal(Answer, kw_only=True):
    """alone: no one else had the right at that time. confirmed_by: a second person who trusted the global too.

    Without either, the trust does not count for versions pushed by the person who gave it.
    """

    name: str
    reason: str
    at: str
    by: str
    alone: bool = False
    confirmed_by: str | None = None


class TrustedList(Answer, kw_only=True):
    namespace: str
    items: list[TrustedGlobal]
    serve_unknown: bool = False
    """Whether this namespace serves versions that name unknown code."""
