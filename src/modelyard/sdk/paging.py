"""Whole lists from pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar

import msgspec

from modelyard.sdk.http import Transport
from modelyard.wire.base import PageQuery

PAGE_SIZE = 200
T = TypeVar("T", covariant=True)


class PageOf(Protocol[T]):
    """Part of a list of things of one kind."""

    @property
    def items(self) -> Sequence[T]: ...

    @property
    def next_cursor(self) -> str | None: ...


def items(
    transport: Transport, path: str, query: PageQuery, page_type: type[PageOf[T]], limit: int | None
) -> Iterator[T]:
    """Item by item, a page at a time. limit: at most so many in all; None: every one."""
    left = limit
    cursor: str | None = None
    while left is None or left > 0:
        size = PAGE_SIZE if left is None else min(PAGE_SIZE, left)
        asked = msgspec.structs.replace(query, limit=size, cursor=cursor)
        page = transport.call("GET", path, query=asked, returns=page_type)
        yield from page.items
        cursor = page.next_cursor
        if left is not None:
            left -= len(page.items)
        if cursor is None:
            return
