"""Keyset pages: an opaque cursor marks the end of the last page."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from modelyard.domain.errors import InvalidRequest
from modelyard.wire.base import Page, PageQuery

T = TypeVar("T")
P = TypeVar("P", bound=Page)
MAX_LIMIT = 1000


def page_limit(query: PageQuery) -> int:
    if not 1 <= query.limit <= MAX_LIMIT:
        raise InvalidRequest(
            reason=f"limit is {query.limit}; it must be 1 to {MAX_LIMIT}", fix="Choose another limit"
        )
    return query.limit


def encode_cursor(*key: int | str) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None, *types: type) -> Any:
    """Return the key as a tuple of these types; None for the first page. Raises InvalidRequest."""
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
        raise InvalidRequest(reason="the cursor is not valid", fix="Start again without a cursor") from None
    return tuple(key)


def cut(
    found: Sequence[T], limit: int, key: Callable[[T], Sequence[int | str]]
) -> tuple[Sequence[T], str | None]:
    """Return (the page, the next cursor) from up to limit + 1 found items."""
    if len(found) <= limit:
        return found, None
    page = found[:limit]
    return page, encode_cursor(*key(page[-1]))


@dataclass(frozen=True, slots=True)
class Paging:
    """A requested page of a list.

    start: key of the last item before it, a tuple if the key has several parts; None: the first page.
    count: number of items to look for, one more than the page holds.
    """

    start: Any
    count: int

    @classmethod
    def of(cls, query: PageQuery, *types: type) -> Paging:
        """Raises InvalidRequest for a limit out of bounds, or a cursor whose key has other types."""
        limit = page_limit(query)
        key = decode_cursor(query.cursor, *types)
        return cls(key[0] if key is not None and len(types) == 1 else key, limit + 1)

    def answer(
        self,
        page: Callable[..., P],
        found: Sequence[T],
        show: Callable[[T], Any],
        key: Callable[[T], Sequence[int | str]],
        **more: Any,
    ) -> P:
        """Return the page of up to `count` found items, with the next cursor. more: further fields of the page."""
        shown, cursor = cut(found, self.count - 1, key)
        return page(items=[show(item) for item in shown], next_cursor=cursor, **more)
