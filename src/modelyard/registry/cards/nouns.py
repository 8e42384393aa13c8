"""A model card as it was stored."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StoredCard:
    text: str
    sections: dict[str, int]
    at: int
    by: str
    number: int
    """1, 2, … as they were set."""
