"""Keyset pages: an opaque cursor says where the last page ended."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from modelyard.domain.errors import InvalidRequest
from modelyard.wire.base import PageQuery

T = TypeVar("T")
MAX_LIMIT = 1000


def page_limit(query: PageQuery) -> int:
    if not 1 <= query.limit <= MAX_LIMIT:
        raise InvalidRequest(
            reason=f"limit is {query.limit}, it may be 1 to {MAX_LIMIT}", fix="Choose another limit"
        )
    return query.limit


def encode_cursor(*key: int | str) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None, *types: type) -> Any:
    """The key as a tuple of these types; None for the first page. Raises InvalidRequest."""
    if cursor is None:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        key = json.loads(base64.urlsafe_b64decode(padded.encode("ascii")))
        if not isinstance(key, list) or len(key) != len(types):
            raise ValueError
        if not all(type(value) is wanted for value, wanted in zip(key, types, strict=True)):
            raise ValueError
        # Larger than any column holds.
        if any(isinstance(value, int) and not -(2**63) <= value < 2**63 for value in key):
            raise ValueError
        if any(isinstance(value, str) and b"\0" in value.encode() for value in key):
            raise ValueError
    except (ValueError, binascii.Error, RecursionError):
        raise InvalidRequest(
            reason="the cursor is not one of ours", fix="Begin again without a cursor"
        ) from None
    return tuple(key)


def cut(
    found: Sequence[T], limit: int, key: Callable[[T], Sequence[int | str]]
) -> tuple[Sequence[T], str | None]:
    """(the page, the cursor behind it) of up to limit + 1 found items."""
    if len(found) <= limit:
        return found, None
    page = found[:limit]
    return page, encode_cursor(*key(page[-1]))
