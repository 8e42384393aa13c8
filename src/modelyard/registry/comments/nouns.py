"""Comments, and the notices they cause."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Comment:
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


@dataclass(frozen=True, slots=True)
class Notification:
    id: int
    seq: int
    reason: str
    created_at: int
    read_at: int | None
    body: dict[str, Any]
    """Of the event."""
