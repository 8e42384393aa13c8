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
