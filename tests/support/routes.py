"""Walks the whole table of routes as callers who may not do what they ask, and says which route let them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
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


def state_of(door: Door) -> str:
    """A digest of every row of every table."""

    def read(tx: Any) -> str:
        found = hashlib.sha256()
        for table in metadata.sorted_tables:
            rows = sorted(repr(tuple(row)) for row in tx.execute(sa.select(table)))
            found.update(f"{table.name}{rows}".encode())
        return found.hexdigest()

    return door.registry.db.read(read)


def walk(door: Door, specs: Iterable[RouteSpec], place: Place, caller: Caller) -> list[str]:
    """The routes that let the caller do or see more than it may, each in one line."""
    # So that the stream of events ends by itself.
    door.services.stopping.set()
    try:
        return [line for spec in specs for line in _ask(door, spec, place, caller)]
    finally:
        door.services.stopping.clear()


def _ask(door: Door, spec: RouteSpec, place: Place, caller: Caller) -> list[str]:
    if spec.public or spec.operation in caller.allowed:
        return []
    path = re.sub(r"\{(\w+)(?::\w+)?\}", lambda found: place.parameters[found[1]], spec.path)
    options: dict[str, Any] = {"params": _sample(spec.query, place) if spec.query is not None else {}}
    if spec.body is not None:
        options["json"] = _sample(spec.body, place)
    elif spec.method in ("PUT", "PATCH"):
        options["content"] = b"bytes"
    before = state_of(door)
    answer = door.call(spec.method, path, token=caller.token, **options)
    what = f"{caller.name}: {spec.method} {spec.path} → {answer.status_code}"
    if state_of(door) != before:
        return [f"{what}, and something changed"]
    if answer.status_code in REFUSED:
        return []
    told = [word for word in place.hidden if word in answer.text]
    if answer.status_code == 200 and spec.method == "GET" and (caller.reads or not told):
        return []
    return [f"{what}: {answer.text[:200]}"]


def _sample(wanted: type[msgspec.Struct], place: Place) -> dict[str, Any]:
    """A valid value: what is needed, by the name of the field, and what `Type.field` says besides."""
    found = {}
    for each in msgspec.structs.fields(wanted):
        special = f"{wanted.__name__}.{each.name}"
        if special in place.values:
            found[each.name] = place.values[special]
        elif each.required:
            found[each.name] = place.values[each.name]
    return found
