"""A signature over a version's digest, as it was stored."""

from __future__ import annotations

import msgspec


class StoredAttestation(msgspec.Struct, frozen=True):
    signature: str
    at: int
    by: str
