"""A signature over a version's digest, as it was stored."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StoredAttestation:
    signature: str
    at: int
    by: str
