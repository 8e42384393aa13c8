"""Files that wait for a scan, releases from the quarantine, and names that are trusted."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from modelyard.domain.digest import Digest


@dataclass(frozen=True, slots=True)
class ScanJob:
    digest: Digest
    namespace_id: int
    """The namespace that waits for it; 0: none, since a verdict by older rules is there."""
    tries: int
    asked_at: int


@dataclass(frozen=True, slots=True)
class TrustedGlobal:
    """alone: no other person held the right when it was given. confirmed_by: another person gave it too."""

    name: str
    reason: str
    at: int
    by: str
    alone: bool
    confirmed_by: str | None


class Release(msgspec.Struct, frozen=True):
    """A version or a file that was let out of the quarantine, knowingly."""

    by: str
    at: int
    reason: str
    verdict: str
    """At that time; a worse one ends the release."""
    alone: bool = False
    """No other person held the right when it was given."""
