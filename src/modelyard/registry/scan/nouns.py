"""Files that wait for a scan, releases from the quarantine, and trusted globals."""

from __future__ import annotations

import msgspec


class TrustedGlobal(msgspec.Struct, frozen=True):
    """A trusted global. alone: no other person had the permission then. confirmed_by: a second person who trusts it."""

    name: str
    reason: str
    at: int
    by: str
    alone: bool
    confirmed_by: str | None


class Release(msgspec.Struct, frozen=True):
    """The deliberate release of a version or a file from the quarantine."""

    by: str
    at: int
    reason: str
    verdict: str
    """The verdict at that time; a worse one ends the release."""
    alone: bool = False
    """No other person had the permission at that time."""
