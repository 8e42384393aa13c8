"""Uploads."""

from __future__ import annotations

from modelyard.wire.base import Answer, ManyItems, Request, Text, Whole


class BlobEntry(Request, kw_only=True):
    digest: Text
    size_bytes: Whole


class MissingQuery(Request, kw_only=True):
    blobs: ManyItems[BlobEntry]
    namespace: Text | None = None
    """Where the version is registered next: refused (`quota_exceeded`) if a file is missing and the version is too large."""
    version_bytes: Whole | None = None
    """Size of that version; None: the sum of the sizes in `blobs`."""


class MissingAnswer(Answer, kw_only=True):
    missing: list[str]
    chunk_bytes: int
    """Send larger files through /api/v1/uploads, in pieces of this size (bytes)."""


class StartUpload(Request, kw_only=True):
    digest: Text
    size_bytes: Whole


class Upload(Answer, kw_only=True):
    id: str
    digest: str
    size_bytes: int
    offset: int
    """Number of bytes that have arrived; send the rest from here."""
    chunk_bytes: int
    expires_at: str


class Blob(Answer, kw_only=True):
    digest: str
    size_bytes: int
