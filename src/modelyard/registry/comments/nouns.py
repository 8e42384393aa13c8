"""Comments, and the notifications they cause."""

from __future__ import annotations

from typing import Any

import msgspec


class Comment(msgspec.Struct, frozen=True):
    id: int
    model_id: int
    version: int | None
    promotion_id: int | None
    author_id: int
    author: str
    body: str
    revision: int
    created_at: int
    edited_at: int | None
    deleted_at: int | None
    deleted_by: str | None


class Notification(msgspec.Struct, frozen=True):
    id: int
    seq: int
    reason: str
    created_at: int
    read_at: int | None
    body: dict[str, Any]
    """The event as logged."""
