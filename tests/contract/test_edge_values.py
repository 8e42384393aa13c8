"""Values at the edge of their type, in every parameter, field and header of every operation: never a 5xx, and
nothing changes where the answer is a refusal.

Each field and parameter meets a twelfth of the values, another twelfth in each operation; `make edges` tries all.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec
import pytest

from modelyard.api.tables import TABLES
from modelyard.doors.table import RouteSpec
from modelyard.registry.access import attempts
from tests.contract.test_route_rights import place  # noqa: F401 - the fixture
from tests.support.door import Door
from tests.support.parts import EVERYTHING
from tests.support.routes import Place, sample, state_of

T = TypeVar("T")
SPECS = [spec for table in TABLES for spec in table.specs]
SECONDS = 1.0
"""Of processor time for one request, client and server in one process: ten times what is promised. A read may take
three times as long as it does without an odd value on top, since some read all that the tests have left behind."""

NOTHING_ODD = "nothing odd"
PARTS = 1 if EVERYTHING else 12

# As JSON text, so that what Python cannot write is sent too.
JSON_VALUES = {
    "empty": '""',
    "long": '"' + "x" * 1_000_000 + '"',
    "lone surrogate": '"\\ud800"',
    "two surrogates the wrong way": '"\\udc00\\ud800"',
    "NUL": '"a\\u0000b"',
    "other digits": '"\\u0663\\u00b2"',
    "digits": '"' + "9" * 400 + '"',
    "stars": '"' + "*a" * 200 + '"',
    "first time": '"0001-01-01T00:00:00+23:59"',
    "last time": '"9999-12-31T23:59:59.999999-23:59"',
    "no number": "NaN",
    "infinity": "1e999",
    "tiny": "5e-324",
    "63 bits": str(2**63 - 1),
    "64 bits": str(2**63),
    "below 64 bits": str(-(2**63) - 1),
    "least": str(-(2**63)),
    "4000 digits": "9" * 4000,
    "5000 digits": "9" * 5000,
    "deep list": "[" * 10_000 + "]" * 10_000,
    "deep object": '{"a":' * 5000 + "1" + "}" * 5000,
    "some depth": "[" * 400 + "]" * 400,
    "twice the same key": '{"a":1,"a":2}',
    "many items": "[" + ",".join(['"x"'] * 20_000) + "]",
    "many keys": "{" + ",".join(f'"k{n}":"x"' for n in range(20_000)) + "}",
    "big numbers inside": '{"a":' + "9" * 4000 + ',"b":[1e400,' + str(2**64) + "]}",
    "surrogate key": '{"\\ud800":"x"}',
    "empty key": '{"":""}',
    "null": "null",
    "true": "true",
}
TEXTS = {
    "empty": b"",
    "long": b"x" * 60_000,
    "lone surrogate": "\ud800".encode("utf-8", "surrogatepass"),
    "broken UTF-8": b"\xff\xfe",
    "NUL": b"a\0b",
    "other digits": "\u0663\u00b2".encode(),
    "64 bits": str(2**63).encode(),
    "18 digits": b"9" * 18,
    "5000 digits": b"9" * 5000,
    "minus": b"-1",
    "least": str(-(2**63) - 1).encode(),
    "no number": b"nan",
    "infinity": b"1e999",
    "stars": b"*a" * 200,
    "plus": b"+" * 1600,
    "spaces": b" " * 1600,
    "comparisons": b"a" * 400 + b"<=>" * 300,
    "first time": b"0001-01-01T00:00:00+23:59",
    "last time": b"9999-12-31T23:59:59.999999-23:59",
    "cursor with a surrogate": b"WyJcdWQ4MDAiXQ",
    "cursor with two": b"WyJcdWQ4MDAiLDFd",
    "cursor of large numbers": b"Wzk5OTk5OTk5OTk5OTk5OTk5OTk5LDFd",
    "dots": b"../../etc/passwd",
    "emoji": "\U0001f600".encode(),
}
HEADERS = (
    "if-match",
    "if-none-match",
    "if-range",
    "range",
    "idempotency-key",
    "last-event-id",
    "upload-offset",
    "content-type",
    "x-request-id",
    "origin",
    "cookie",
    "accept",
)
HEADER_VALUES = (
    b"",
    b"\xb2",
    b"\xb9\xb2\xb3",
    b"x" * 30_000,
    b"9" * 400,
    b"-1",
    b'"' + b"9" * 300 + b'"',
    b'W/"1"',
    b"*",
    b"bytes=0-99999999999999999999",
    b"bytes=-0",
    b"bytes=\xb2-",
    b"bytes=" + b"0-1," * 5000,
    b"," * 20_000,
    b"\xff\xfe\x00".replace(b"\x00", b""),
    b"=;" * 10_000,
)

pytestmark = pytest.mark.parametrize("small_door", ["sqlite"], indirect=True)


@pytest.fixture(scope="module")
def door(small_door: Door) -> Door:
    return small_door


def part(values: Mapping[str, T], *position: int) -> Iterator[tuple[str, T]]:
    """The values that are tried at a position."""
    for number, (name, value) in enumerate(values.items()):
        if (number + sum(position)) % PARTS == 0:
            yield name, value


def cases(spec: RouteSpec, place: Place) -> Iterator[tuple[str, dict[str, Any]]]:  # noqa: F811
    """(what is at the edge, the request)."""
    path = re.sub(r"\{(\w+)(?::\w+)?\}", lambda found: place.parameters[found[1]], spec.path)
    query = {} if spec.query is None else sample(spec.query, place.values)
    body = None if spec.body is None else sample(spec.body, place.values)
    turn = SPECS.index(spec)
    plain: dict[str, Any] = {"path": path, "query": query, "content": b""}
    if body is not None:
        plain |= {"content": json.dumps(body).encode(), "headers": {"content-type": "application/json"}}
    if spec.method == "GET":
        yield NOTHING_ODD, plain
    for at, parameter in enumerate(re.findall(r"\{(\w+)(?::\w+)?\}", spec.path)):
        for name, value in part(TEXTS, turn, at):
            around = {**place.parameters, parameter: quote(value[:3000], safe="")}
            changed = re.sub(r"\{(\w+)(?::\w+)?\}", lambda found, a=around: str(a[found[1]]), spec.path)
            yield f"path {parameter}: {name}", {**plain, "path": changed}
    for at, each in enumerate(() if spec.query is None else msgspec.structs.fields(spec.query)):
        for name, value in part(TEXTS, turn, at):
            yield f"query {each.name}: {name}", {**plain, "query": {**query, each.name: value}}
    yield "201 parameters", {**plain, "path": f"{path}?{'&'.join(f'a{n}=1' for n in range(201))}", "query": {}}
    # A header is read alike by every operation, so each meets a part of the values, and all of them together all.
    for place_of_header, header in enumerate(HEADERS):
        for number in {(turn + place_of_header) % len(HEADER_VALUES), (turn * 7 + 3) % len(HEADER_VALUES)}:
            headers = {**plain.get("headers", {}), header: HEADER_VALUES[number]}
            yield f"header {header}: {number}", {**plain, "headers": headers}
    if spec.body is None:
        return
    assert body is not None
    for name, text in part(JSON_VALUES, turn):
        yield f"body: {name}", {**plain, "content": text.encode()}
    for at, field in enumerate(msgspec.structs.fields(spec.body)):
        for name, text in part(JSON_VALUES, turn, at):
            marked = json.dumps({**body, field.name: "@@"}).replace('"@@"', text)
            yield f"field {field.name}: {name}", {**plain, "content": marked.encode()}
            if "dict" not in str(field.type) and "list" not in str(field.type):
                continue
            inside = json.dumps({**body, field.name: {"a": "@@"}}).replace('"@@"', text)
            yield f"field {field.name}, inside: {name}", {**plain, "content": inside.encode()}


def settled(door: Door) -> str:
    """The state once no thread of an earlier request changes it any more."""
    now, before = state_of(door), ""
    while now != before:
        time.sleep(0.1)
        before, now = now, state_of(door)
    return now


def ask(door: Door, spec: RouteSpec, request: dict[str, Any]) -> Any:
    options: dict[str, Any] = {}
    if request["query"]:
        options["params"] = request["query"]
    if spec.method not in ("GET", "HEAD", "DELETE") or request["content"]:
        options["content"] = request["content"]
    # As bytes: the client would refuse to send most of them as text.
    headers = {
        n.encode(): v.encode() if isinstance(v, str) else v for n, v in request.get("headers", {}).items()
    }
    return door.call(spec.method, request["path"], headers=headers, **options)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.operation)
def test_values_at_the_edge(door: Door, place: Place, spec: RouteSpec, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    # Many wrong links would be held back for longer and longer, and be noted in the log.
    monkeypatch.setattr(attempts, "LONGEST_DELAY_SECONDS", 0.0)
    monkeypatch.setattr(attempts, "_MOST_TOLD_AN_HOUR", 0)
    # So that the stream of events ends by itself.
    door.services.stopping.set()
    wrong: list[str] = []
    refused: list[str] = []
    before = settled(door)
    seconds = SECONDS

    def check_refused() -> None:
        if refused and state_of(door) != before:
            wrong.append(f"something changed by one of {refused}")
        refused.clear()

    try:
        for what, request in cases(spec, place):
            started = time.process_time()
            answer = ask(door, spec, request)
            took = time.process_time() - started
            if answer.status_code >= 500:
                wrong.append(f"{what}: {answer.status_code} {answer.text[:300]}")
            if what == NOTHING_ODD:
                seconds += 3 * took
            elif took > seconds:
                wrong.append(f"{what}: {took:.2f} s")
            if answer.status_code >= 400:
                refused.append(what)
                if len(refused) >= 100:
                    check_refused()
                    before = state_of(door)
            elif spec.method != "GET":
                # What was refused before a success is looked at with the next refusals only. A read changes nothing.
                refused.clear()
                before = state_of(door)
        check_refused()
    finally:
        door.services.stopping.clear()
    assert not wrong, "\n".join(wrong[:20])
