"""Walks the routes that read, with bytes that must not be given behind each of them, in all ways of asking."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from modelyard.api.tables import TABLES
from modelyard.doors.table import RouteSpec
from tests.support.door import Door
from tests.support.parts import EVERYTHING
from tests.support.routes import sample

GIVING = [spec for table in TABLES for spec in table.specs if spec.method == "GET" and not spec.public]
WAYS: list[tuple[str, dict[str, str]]] = [
    ("GET", {}),
    ("HEAD", {}),
    ("GET", {"range": "bytes=0-9"}),
    ("GET", {"if-none-match": '"other"'}),
    ("GET", {"if-none-match": "*"}),
    ("GET", {"accept": "text/plain, application/octet-stream"}),
]


@dataclass(frozen=True)
class Held:
    """Bytes behind every route that gives bytes, each with the marker in it."""

    marker: str
    parameters: dict[str, list[str]]
    """The values of each parameter of a path, in each way in which the thing may be named."""
    values: dict[str, Any]


def held_in(
    space: str, marker: str, *, version: str, run: str, datasets: list[str], build: str = "0" * 32
) -> Held:
    """Version 1 of `scorer`, the run, the build and the dataset `rows` of a namespace.

    version: its digest. datasets: ways of naming a version of the dataset, besides `newest`.
    """
    parameters = {
        "namespace": [space],
        "name": ["scorer"],
        "version": ["1", "champion", version],
        "path": ["README.md", "model.pkl"],
        "run": [run],
        "build": [build],
        "dataset": ["rows"],
        "digest": ["newest", *datasets],
        "alias": ["champion"],
        "stage": ["staging"],
        "account": ["root"],
        "group": ["nobody"],
        "promotion": ["1"],
        "upload": ["0" * 32],
        "token": ["1"],
        "seq": ["0"],
        "subscription": ["1"],
        "job": ["1"],
        "secret": ["HF_TOKEN"],
        "schedule": ["1"],
        "deployment": ["scorer"],
        "publisher": ["1"],
        "comment": ["1"],
        "revision": ["1"],
        "start": ["3600"],
        "part": ["one"],
    }
    values = {
        "words": "warning",
        "ref": f"{space}/scorer:1",
        "CompareQuery.ref": [f"{space}/scorer:1", f"run:{run}"],
        "metric": "f1",
        "since": "2026-01-01T00:00:00Z",
        "before": f"{space}/rows",
        "after": f"{space}/rows",
        "name": "x",
        "old": 1,
        "new": 2,
    }
    return Held(marker, parameters, values)


def walk(door: Door, specs: Iterable[RouteSpec], held: Held) -> list[str]:
    """The routes that give a part of what is held, each in one line; and those of bytes that do not refuse it."""
    # So that the stream of events ends by itself.
    door.services.stopping.set()
    try:
        return [line for spec in specs for line in _ask(door, spec, held)]
    finally:
        door.services.stopping.clear()


def _ask(door: Door, spec: RouteSpec, held: Held) -> list[str]:
    names = re.findall(r"\{(\w+)(?::\w+)?\}", spec.path)
    query = {} if spec.query is None else sample(spec.query, held.values)
    # On PostgreSQL in one way where no bytes are given: the ways are a matter of the door.
    is_brief = not (gives_bytes(spec) or door.registry.db.is_sqlite or EVERYTHING)
    found = []
    for chosen in itertools.product(*(held.parameters[name] for name in names)):
        path = spec.path
        for name, value in zip(names, chosen, strict=True):
            path = re.sub(rf"\{{{name}(:\w+)?\}}", value, path)
        for method, headers in WAYS[:1] if is_brief else WAYS:
            answer = door.call(method, path, headers=headers, params=query)
            told = f"{method} {path} {headers} → {answer.status_code}"
            if held.marker.encode() in answer.content or held.marker in str(answer.headers):
                found.append(f"{told}: gives what is held")
            elif gives_bytes(spec) and answer.status_code in (200, 206, 302, 304):
                found.append(f"{told}: does not refuse")
    return found


def gives_bytes(spec: RouteSpec) -> bool:
    return isinstance(spec.returns, str) and ("octet-stream" in spec.returns or "profile" in spec.returns)
