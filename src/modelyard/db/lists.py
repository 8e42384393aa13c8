"""Conditions on lists whose SQL is the same for every length, so that a `Statement` can hold them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler


class _IsAmong(sa.ColumnElement[bool]):
    """The column's id is one of those that the parameter lists."""

    inherit_cache = False

    def __init__(self, column: sa.ColumnElement[Any], ids: sa.BindParameter[str]) -> None:
        self.type = sa.Boolean()
        self.column = column
        self.ids = ids

    def self_group(self, against: object = None) -> _IsAmong:
        """Itself: it is a condition, and not a column to be compared with true, which no index helps."""
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
    """The same for words without commas and quotes, as digests are."""

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
    """parameter: name of the one that carries the words, joined by commas."""
    return _IsOneOf(column, sa.bindparam(parameter, type_=sa.Text()))


def is_among(column: sa.ColumnElement[int], parameter: str) -> sa.ColumnElement[bool]:
    """parameter: name of the one that carries the ids, as `ids_text` writes them."""
    return _IsAmong(column, sa.bindparam(parameter, type_=sa.Text()))


def ids_text(ids: Iterable[int]) -> str:
    """Ids as one parameter; '' lists none."""
    return ",".join(map(str, ids))
