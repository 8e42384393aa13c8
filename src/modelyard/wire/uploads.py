"""Bytes on their way to the registry."""

from __future__ import annotations

from modelyard.wire.base import Answer, ManyItems, Request, Text, Whole


class BlobEntry(Request, kw_only=True):
    digest: Text
    size: Whole


class MissingQuery(Request, kw_only=True):
    blobs: ManyItems[BlobEntry]


class MissingAnswer(Answer, kw_only=True):
    missing: list[str]
    chunk_bytes: int
    """Files above this size go through /api/v1/uploads in pieces of it."""


class StartUpload(Request, kw_only=True):
    digest: Text
    size: Whole


class Upload(Answer, kw_only=True):
    id: str
    digest: str
    size: int
    offset: int
    """How many bytes have arrived; send the rest from here."""
    chunk_bytes: int
    expires_at: str


class Blob(Answer, kw_only=True):
    digest: str
    size: int
