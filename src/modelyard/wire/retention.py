"""Collection of unused bytes, and reading what is stored again."""

from __future__ import annotations

from modelyard.wire.base import Answer, Request


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
    """Of `blobs`, those that are withheld and lay in the store all the same."""


class Damage(Answer, kw_only=True):
    digest: str
    problem: str


class ScrubProgress(Answer, kw_only=True):
    """One server-sent event of a scrub; the last one has finished = true."""

    checked: int
    size_bytes: int
    damage: list[Damage]
    finished: bool
