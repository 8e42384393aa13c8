"""A named result that was reported from outside."""

from __future__ import annotations

from typing import Any

import msgspec

from modelyard.db.json_columns import JsonText


class Check(msgspec.Struct, frozen=True):
    name: str
    state: str
    url: str
    summary: str
    details: JsonText[dict[str, Any]] | None
    """Shown only in lists of checks; gates look at names and states."""
    at: int
    by: str
