"""Walks the whole table of routes as callers who may not do what they ask, and says which route let them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
import sqlalchemy as sa

from modelyard.db.tables import metadata
from modelyard.doors.table import RouteSpec
from tests.support.door import Door

REFUSED = (401, 403, 404)


@dataclass(frozen=True)
class Caller:
    """Who asks. allowed: operations that are theirs by right, such as uploads of their own, and are not walked."""

    name: str
    token: str | None
    reads: bool = False
    """Reads may succeed whatever they show."""
    allowed: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Place:
    """What the routes are asked about. hidden: words that no answer to a caller without `reads` may hold."""

    parameters: dict[str, str]
    values: dict[str, Any]
    hidden: tuple[str, ...]


@cache
def _contents(*, is_sqlite: bool) -> sa.TextClause:
    """One statement, for it is asked after every request: all rows of each table, as one text a table."""

    def rows_of(table: sa.Table) -> str:
        columns = " || ',' || ".join(f'quote("{column.name}")' for column in table.columns)
        if is_sqlite:
            return f"SELECT group_concat(told, ';') FROM (SELECT {columns} AS told FROM \"{table.name}\" ORDER BY 1)"
        return f"SELECT string_agg(told, ';' ORDER BY told) FROM (SELECT CAST(t AS text) AS told FROM \"{table.name}\" t) s"

    return sa.text("SELECT " + ", ".join(f"({rows_of(table)})" for table in metadata.sorted_tables))


def state_of(door: Door) -> str:
    """A digest of every row of every table."""
    query = _contents(is_sqlite=door.registry.db.is_sqlite)
    found = door.registry.db.read(lambda tx: tuple(tx.execute(query).one()))
    return hashlib.sha256(repr(found).encode()).hexdigest()


def walk(door: Door, specs: Iterable[RouteSpec], place: Place, caller: Caller) -> list[str]:
    """The routes that let the caller do or see more than it may, each in one line."""
    # So that the stream of events ends by itself.
    door.services.stopping.set()
    found, state = [], state_of(door)
    try:
        for spec in specs:
            if spec.public or spec.operation in caller.allowed:
                continue
            before = state
            answer = _ask(door, spec, place, caller)
            state = state_of(door)
            fault = _fault(spec, answer, place, caller) if state == before else "something changed"
            if fault:
                found.append(f"{caller.name}: {spec.method} {spec.path} → {answer.status_code}: {fault}")
        return found
    finally:
        door.services.stopping.clear()


def _ask(door: Door, spec: RouteSpec, place: Place, caller: Caller) -> Any:
    path = re.sub(r"\{(\w+)(?::\w+)?\}", lambda found: place.parameters[found[1]], spec.path)
    options: dict[str, Any] = {"params": sample(spec.query, place.values) if spec.query is not None else {}}
    if spec.body is not None:
        options["json"] = sample(spec.body, place.values)
    elif spec.method in ("PUT", "PATCH"):
        options["content"] = b"bytes"
    return door.call(spec.method, path, token=caller.token, **options)


def _fault(spec: RouteSpec, answer: Any, place: Place, caller: Caller) -> str:
    """The text that the caller may not have. Empty: it got none."""
    told = any(word in answer.text for word in place.hidden)
    is_harmless = answer.status_code in (200, 204) and spec.method == "GET" and (caller.reads or not told)
    return "" if answer.status_code in REFUSED or is_harmless else answer.text[:200] or "no refusal"


def sample(wanted: type[msgspec.Struct], values: dict[str, Any]) -> dict[str, Any]:
    """A valid value: the fields it needs, by their names, and those that stand in `values` as `Type.field`."""
    found = {}
    for each in msgspec.structs.fields(wanted):
        special = f"{wanted.__name__}.{each.name}"
        if special in values:
            found[each.name] = values[special]
        elif each.required:
            found[each.name] = values[each.name]
    return found
