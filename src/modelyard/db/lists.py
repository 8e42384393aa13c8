"""Conditions on lists whose SQL is the same for every length, so that a `Statement` can contain them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler


class _IsAmong(sa.ColumnElement[bool]):
    """The condition that a column's id is in the parameter's list."""

    inherit_cache = False

    def __init__(self, column: sa.ColumnElement[Any], ids: sa.BindParameter[str]) -> None:
        self.type = sa.Boolean()
        self.column = column
        self.ids = ids

    def self_group(self, against: object = None) -> _IsAmong:
        """Return itself: it is already a condition, and a comparison with true would bypass the index."""
        return self


@compiles(_IsAmong, "sqlite")
def _on_sqlite(element: _IsAmong, compiler: SQLCompiler, **options: Any) -> str:
    listed = sa.func.json_each("[" + element.ids + "]").table_valued("value")
    return compiler.process(element.column.in_(sa.select(listed.c.value)), **options)


@compiles(_IsAmong, "postgresql")
def _on_postgresql(element: _IsAmong, compiler: SQLCompiler, **options: Any) -> str:
    listed = sa.cast(sa.func.string_to_array(element.ids, ","), ARRAY(sa.BigInteger()))
    return compiler.process(element.column == sa.any_(listed), **options)


class _IsOneOf(_IsAmong):
    """The same for words without commas and quotes, such as digests."""

    inherit_cache = False


@compiles(_IsOneOf, "sqlite")
def _words_on_sqlite(element: _IsOneOf, compiler: SQLCompiler, **options: Any) -> str:
    quoted = '["' + sa.func.replace(element.ids, ",", '","') + '"]'
    listed = sa.func.json_each(quoted).table_valued("value")
    return compiler.process(element.column.in_(sa.select(listed.c.value)), **options)


@compiles(_IsOneOf, "postgresql")
def _words_on_postgresql(element: _IsOneOf, compiler: SQLCompiler, **options: Any) -> str:
    listed = sa.func.string_to_array(element.ids, ",", type_=ARRAY(sa.Text()))
    return compiler.process(element.column == sa.any_(listed), **options)


def is_one_of(column: sa.ColumnElement[str], parameter: str) -> sa.ColumnElement[bool]:
    """Return a condition. parameter: the name of the parameter that holds the words, joined by commas."""
    return _IsOneOf(column, sa.bindparam(parameter, type_=sa.Text()))


def is_among(column: sa.ColumnElement[int], parameter: str) -> sa.ColumnElement[bool]:
    """Return a condition. parameter: the name of the parameter that holds the ids, as `ids_text` writes them."""
    return _IsAmong(column, sa.bindparam(parameter, type_=sa.Text()))


def grouped(pairs: Iterable[Sequence[Any]]) -> dict[Any, list[Any]]:
    """Group rows of (key, value) into key → values, in their order."""
    found: dict[Any, list[Any]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return found


def ids_text(ids: Iterable[int]) -> str:
    """Return ids as the text of one parameter; '' for none."""
    return ",".join(map(str, ids))
