"""What the scan of a version found, the quarantine, and what a namespace trusts."""

from __future__ import annotations

from modelyard.wire.base import Answer, Page, PageQuery, Request, Text


class ScanFinding(Answer, kw_only=True):
    """inside: the way into containers; offset and opcode: where in the pickle; name: the global."""

    verdict: str
    why: str
    inside: str = ""
    offset: int | None = None
    opcode: str | None = None
    name: str | None = None
    trusted: bool = False
    """Its global is trusted in this namespace."""


class FoundSecret(Answer, kw_only=True):
    """The text itself is never kept."""

    line: int
    kind: str


class ScannedFile(Answer, kw_only=True):
    """verdict: no_code, allowlisted, unknown, not_scanned, dangerous, or pending. kinds: pickle, zip, npy, …"""

    path: str
    verdict: str
    kinds: list[str]
    allowed: int
    """How many different globals of the allow-list it names."""
    findings: list[ScanFinding]
    secrets: list[FoundSecret]


class Release(Answer, kw_only=True):
    """alone: by the person who pushed it, where no one else held the right."""

    by: str
    at: str
    reason: str
    verdict: str
    alone: bool = False


class Scan(Answer, kw_only=True):
    """verdict: the worst of its files, with what the namespace trusts; files without anything to tell are left out.

    fix: how a maintainer has it served, with the command; None for what is served.
    """

    reference: str
    verdict: str
    quarantined: bool
    rules: int
    unknown: list[str]
    """Globals that no one knows and this namespace does not trust."""
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


class QuarantinePage(Page, kw_only=True):
    items: list[QuarantinedVersion]


class QuarantineQuery(PageQuery, kw_only=True):
    namespace: Text | None = None


class ScannedRunFile(Answer, kw_only=True):
    """why: the gravest finding; '' when there is none."""

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
    """serve: whether versions that name code which no one here knows are served."""

    serve: bool
    reason: str


class TrustGlobal(Request, kw_only=True):
    """name: `module.name` as a scan shows it."""

    name: Text
    reason: Text = ""


class UntrustQuery(Request, kw_only=True):
    name: Text


class TrustedGlobal(Answer, kw_only=True):
    """alone: no one else held the right when it was given. confirmed_by: another person gave it too.

    Otherwise it does not count for what the one who gave it pushes.
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
    """Versions that name unknown code are served here."""
