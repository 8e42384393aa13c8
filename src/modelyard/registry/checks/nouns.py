"""A named result that was reported from outside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from modelyard.db.json_columns import JsonText


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    state: str
    url: str
    summary: str
    details: JsonText[dict[str, Any]] | None
    """Only a list of checks shows them; gates look at names and states."""
    at: int
    by: str
