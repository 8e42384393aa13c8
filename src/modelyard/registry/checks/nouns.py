"""A named result that was reported from outside."""

from __future__ import annotations

from typing import Any

import msgspec

from modelyard.db.json_columns import JsonText

REPRODUCED = "reproduced"
"""The check that the server itself makes of a build that repeats the version."""


class Check(msgspec.Struct, frozen=True):
    name: str
    state: str
    url: str
    summary: str
    details: JsonText[dict[str, Any]] | None
    """Shown only in lists of checks; gates look at names and states."""
    at: int
    by: str
    build: str | None = None
    """Of a verdict of the server about a repetition that `by` asked for: uid of the build that repeated the version, "" if
    none could. None: `by` reported the check."""
