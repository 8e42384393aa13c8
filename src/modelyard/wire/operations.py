"""Health and readiness of a server."""

from __future__ import annotations

from modelyard.wire.base import Answer


class Health(Answer, kw_only=True):
    status: str
    release: str


class Readiness(Answer, kw_only=True):
    status: str
    """ready or unavailable"""
    database: str
    blobs: str
