"""Statements compiled once per database and run on the driver's own cursor.

SQLAlchemy Core writes the SQL, so one statement serves both databases. Running it costs no more than the driver
itself, which halves the cost of a hot request (decision record 0002). Columns hold only numbers, text and bytes,
so nothing needs conversion. A list of ids is one parameter (lists.py); a hot search with optional filters keeps a
statement for each combination in use. Other statements whose text depends on the request go through
`Transaction.execute`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql import ClauseElement

from modelyard.db.tables.base import metadata

_Pick = Callable[[dict[str, Any]], tuple[Any, ...]]
_WORD = re.compile(r"\w+")
_AS_THEY_ARE = frozenset({str, int, float, bytes, type(None)})
"""The drivers handle exactly these types; the search for an adapter of any other type is slow."""


class Statement:
    """A fixed statement with named parameters (`sa.bindparam("name")`)."""

    def __init__(self, clause: ClauseElement) -> None:
        self._clause = clause
        self.is_read = isinstance(clause, sa.SelectBase)
        self.tables: frozenset[str] = frozenset()
        """The tables whose names stand in the SQL, known once it is compiled."""
        self._compiled: dict[str, tuple[str, _Pick, dict[str, Any]]] = {}

    def prepare(self, dialect: sa.Dialect, given: dict[str, Any]) -> tuple[str, Any]:
        """Return SQL and parameters for the driver of `dialect`. Raises KeyError for a missing parameter."""
        sql, pick, constants = self._compiled.get(dialect.name) or self.compile(dialect)
        values = {**constants, **given} if constants else given
        row = pick(values)
        if not _AS_THEY_ARE.issuperset(map(type, row)):
            row = tuple([str(v) if isinstance(v, str) else v for v in row])
        return sql, row

    def compile(self, dialect: sa.Dialect) -> tuple[str, _Pick, dict[str, Any]]:
        compiled = self._clause.compile(dialect=_numbering(dialect))
        order: Sequence[str] = compiled.positiontup or ()  # type: ignore[attr-defined]
        constants = {k: v for k, v in compiled.params.items() if v is not None}
        nothing = [
            name
            for name, bind in compiled.binds.items()  # type: ignore[attr-defined]
            if name not in constants and not bind.required
        ]
        sql = str(compiled)
        self.tables = frozenset(_WORD.findall(sql)) & metadata.tables.keys()
        found = sql, _picker(order), constants | dict.fromkeys(nothing)
        self._compiled[dialect.name] = found
        return found


@cache
def _numbering(dialect: sa.Dialect) -> sa.Dialect:
    """Return a dialect that writes parameters by position: `?`, or `$1` as libpq takes them."""
    if dialect.name != "postgresql":
        return dialect
    make: Callable[..., sa.Dialect] = type(dialect)
    return make(paramstyle="numeric_dollar")


def _picker(names: Sequence[str]) -> _Pick:
    """Return a function that picks the values of `names` from a dictionary, in their order."""
    if len(names) > 1:
        return itemgetter(*names)
    return lambda values: tuple([values[name] for name in names])
