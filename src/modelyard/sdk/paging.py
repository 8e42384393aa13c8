"""Whole lists from pages."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import islice
from typing import Any, Protocol, TypeVar, cast

import msgspec

from modelyard.domain.errors import ExtraMissing
from modelyard.sdk.http import Transport
from modelyard.wire.base import PageQuery

PAGE_SIZE = 200
_SHOWN = 30
_MOST_COLUMNS = 10
T = TypeVar("T", covariant=True)
I = TypeVar("I")  # noqa: E741 - an item


class PageOf(Protocol[T]):
    """Part of a list of items of one kind."""

    @property
    def items(self) -> Sequence[T]: ...

    @property
    def next_cursor(self) -> str | None: ...


class Items(Iterator[I]):
    """A list that is fetched page by page as it is read, each item once.

    A notebook shows its first rows, which can still be read afterwards.
    """

    def __init__(self, found: Iterator[I]) -> None:
        self._found = found
        self._ahead: deque[I] = deque()

    def __iter__(self) -> Items[I]:
        return self

    def __next__(self) -> I:
        return self._ahead.popleft() if self._ahead else next(self._found)

    def __repr__(self) -> str:
        return "<items of a list: read them with list(…), or .to_pandas()>"

    def _repr_html_(self) -> str:
        self._ahead.extend(islice(self._found, max(0, _SHOWN + 1 - len(self._ahead))))
        shown = [_cells(item) for item in islice(self._ahead, _SHOWN)]
        if not shown:
            return "<p>Nothing.</p>"
        more = "<p>and more</p>" if len(self._ahead) > _SHOWN else ""
        return html_table([*shown[0]], [[*row.values()] for row in shown]) + more

    def to_pandas(self) -> Any:
        """Return the remaining items as a data frame, one row each.

        Returns:
            A pandas DataFrame.

        Raises:
            ExtraMissing: pandas is not installed.

        Example:
            >>> client.versions.list("fraud/scorer").to_pandas()["size_bytes"].sum()
            52428800
        """
        try:
            import pandas as pd  # type: ignore[import-untyped,unused-ignore]
        except ImportError:
            raise ExtraMissing(what="to_pandas", extra="data", package="pandas") from None
        return pd.DataFrame([cast(dict[str, Any], msgspec.to_builtins(item, enc_hook=str)) for item in self])


def html_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a table for a notebook; all text is escaped, since users of the registry wrote it."""
    head = "".join(f"<th style='text-align:left'>{escape(str(name))}</th>" for name in columns)
    body = "".join(
        "<tr>" + "".join(f"<td style='text-align:left'>{escape(str(cell))}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cells(item: Any) -> Mapping[str, Any]:
    """Return the cells of a row: those that the item defines, otherwise its first plain fields."""
    if hasattr(item, "cells"):
        return cast(Mapping[str, Any], item.cells())
    fields = {name: getattr(item, name) for name in item.__struct_fields__}
    plain = {name: value for name, value in fields.items() if isinstance(value, str | int | float | None)}
    return dict(
        islice(((name, "" if value is None else value) for name, value in plain.items()), _MOST_COLUMNS)
    )


def items(
    transport: Transport, path: str, query: PageQuery, page_type: type[PageOf[T]], limit: int | None
) -> Items[T]:
    """Yield items, fetched page by page. limit: at most this many in total; None: all."""
    return Items(_pages(transport, path, query, page_type, limit))


def _pages(
    transport: Transport, path: str, query: PageQuery, page_type: type[PageOf[T]], limit: int | None
) -> Iterator[T]:
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
