"""Canonical JSON: one byte string for one value, the basis of every digest over JSON.

Keys sorted by code point, no white space, UTF-8 without escapes beyond those JSON demands, shortest
round-trip numbers, no NaN or infinity. For objects with ASCII keys and numbers in the range of the
registry this equals RFC 8785.
"""

from __future__ import annotations

import json
import json.encoder
from collections.abc import Mapping
from typing import Any

OBJECT = (dict, Mapping)
"""For `isinstance`: any mapping is an object of JSON; a plain dict is recognised much faster, so it comes first."""

_encoder = json.JSONEncoder(sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


# The encoder makes this again at every call, a quarter of the time of an event. None: another interpreter has none.
_make: Any = json.encoder.c_make_encoder  # type: ignore[attr-defined]
_write = _make and _make(
    None, _encoder.default, json.encoder.encode_basestring, None, ":", ",", True, False, False
)


def canonical_json(value: Any) -> bytes:
    """Return a value as canonical JSON. Raises ValueError for NaN, infinity and lone surrogates."""
    return (_encoder.encode(value) if _write is None else "".join(_write(value, 0))).encode()


def encode_text(text: str) -> str:
    """Return the canonical JSON of a text, as text."""
    return json.encoder.encode_basestring(text)
