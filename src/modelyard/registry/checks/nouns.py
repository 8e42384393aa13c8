"""A named result that was reported from outside."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    state: str
    url: str
    summary: str
    details: str | None
    at: int
    by: str
