"""Quarantine, releases from it, and trust."""

from __future__ import annotations

from typing import Any

from modelyard.domain.events.base import Event


class VersionQuarantined(Event, kind="version.quarantined"):
    """A version entered the quarantine. findings: the first few, each with path, why and, if known, inside, offset,
    opcode and name."""

    digest: str
    verdict: str
    findings: list[dict[str, Any]]


class VersionReleased(Event, kind="version.released"):
    """A version left the quarantine: by a person's decision, by trust, or because a later scan found nothing (verdict).

    alone: the person who pushed it decided, because no one else had the permission.
    """

    digest: str
    verdict: str
    reason: str
    alone: bool | None = None


class RunFilesReleased(Event, kind="run.files_released"):
    """files: path, digest and verdict of each.

    alone: the owner of the run decided, because no one else had the permission.
    """

    run: str
    files: list[dict[str, Any]]
    reason: str
    alone: bool | None = None


class ScanTrusted(Event, kind="scan.trusted"):
    """alone: no one else had the permission. confirms: another person gave the same trust before."""

    name: str
    reason: str
    alone: bool | None = None
    confirms: str | None = None


class ServeUnknownChanged(Event, kind="scan.serve_unknown_changed"):
    """The setting changed. serve: whether versions that name unknown code are served in the namespace."""

    serve: bool
    reason: str


class UnknownServed(Event, kind="version.unknown_served"):
    """A version names unknown code and is served all the same, because its namespace only warns about that.

    names: the first few of the globals.
    """

    digest: str
    names: list[str]


class ScanUntrusted(Event, kind="scan.untrusted"):
    name: str
