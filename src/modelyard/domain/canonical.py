"""Canonical JSON: one byte string for one value, the basis of every digest over JSON.

Keys sorted by code point, no white space, UTF-8 without escapes beyond those JSON demands, shortest
round-trip numbers, no NaN or infinity. For objects with ASCII keys and numbers in the range of the
registry this equals RFC 8785.
"""

from __future__ import annotations

import json
from typing import Any

_encoder = json.JSONEncoder(sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def canonical_json(value: Any) -> bytes:
    """Return a value as canonical JSON. Raises ValueError for NaN, infinity and lone surrogates."""
    return _encoder.encode(value).encode()


def encode_text(text: str) -> str:
    """Return the canonical JSON of a text, as text."""
    return _encoder.encode(text)
