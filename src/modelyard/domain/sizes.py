"""Sizes in bytes: one parser for what people write, and one text form."""

from __future__ import annotations

import re

from modelyard.domain.errors import Invalid

_UNITS = "KMGTP"
_SIZE = re.compile(rf"(\d{{1,18}})(?:\s*([{_UNITS}])(i?))?\s*B?", re.IGNORECASE)
MAX_SIZE = (1 << 63) - 1
"""The largest number that both databases store."""


def parse_size(text: str) -> int:
    """Parse `10GB`, `64MiB`, `500 M` or a number of bytes. Raises Invalid."""
    found = _SIZE.fullmatch(text.strip())
    size = 0
    if found is not None:
        base = 1024 if found[3] else 1000
        size = int(found[1]) * base ** (_UNITS.index(found[2].upper()) + 1 if found[2] else 0)
    if found is None or size > MAX_SIZE:
        raise Invalid(reason=f"{text[:60]!r} is not a size", fix="Write for example 500MB, 10GB or 2TiB")
    return size


def size_words(size_bytes: int) -> str:
    """Return a size in decimal units with up to four digits: 12.35 GB."""
    value = float(size_bytes)
    for unit in ("B", *(f"{letter}B" for letter in ("k", *_UNITS[1:]))):
        if value < 1000 or unit == "PB":
            break
        value /= 1000
    return f"{value:.4g} {unit}" if value < 10_000 else f"{value:.0f} {unit}"
