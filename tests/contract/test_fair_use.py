"""One client cannot stop the others: what a door lets somebody occupy, and what the others still get."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from modelyard.domain.errors import IdTokenRefused
from modelyard.registry.access import secrets
from modelyard.registry.oidc import usecases as oidc
from tests.support.door import Door, assert_problem, digest_of, open_door
from tests.support.registry import Registry, unique

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@contextmanager
def occupied(count: int, request: Any) -> Iterator[list[Any]]:
    """The requests are under way in threads of their own while the block runs."""
    with ThreadPoolExecutor(count) as clients:
        futures = [clients.submit(request, number) for number in range(count)]
        yield futures


def wait_for(lane: Any, count: int) -> None:
    tries = 0
    while lane.taken < count:
        tries += 1
        assert tries < 2000, lane.taken
        threading.Event().wait(0.005)


@pytest.mark.parametrize(
    "metric", ["+" * 1600, " " * 1600, "a" * 499 + "<", "f1>=0.7>=", "=", "f1>=١", "f1>=1_0", "f1>=nan"]
)
def test_a_metric_condition_that_is_none(door: Door, metric: str) -> None:
    assert_problem(door.get("models", params={"metric": metric}), 400, "invalid_request")


@pytest.mark.parametrize("path", ["models", "runs"])
def test_metric_conditions_are_read_as_before(door: Door, path: str) -> None:
    for metric in ("f1>=0.7", " f1 <  1e-3 ", "a b=.5", "x>-1"):
        assert door.get(path, params={"metric": metric}).status_code == 200


def test_passwords_hold_up_no_download(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    monkeypatch.setattr(secrets, "password_matches", lambda *_: go_on.wait(20) and False)
    with open_door(registry) as door:
        made = door.register(f"{unique('fair')}/m", b"bytes of a fair model")
        lane = door.services.lanes["passwords"]
        wrong = {"password": "wrong password"}

        def sign_in(number: int) -> int:
            body = {"name": f"somebody-{number}", **wrong}
            return int(door.call("POST", "session", json=body, token=None).status_code)

        with occupied(24, sign_in) as attempts:
            wait_for(lane, 2)
            path = f"models/{made['model']}/versions/1/files/{digest_of(b'bytes of a fair model')[7:15]}.bin"
            assert door.get(path).content == b"bytes of a fair model"
            # One address has no more places, however many ask.
            assert lane.taken == 2
            go_on.set()
        statuses = [each.result() for each in attempts]
    assert set(statuses) <= {401, 429}
    assert statuses.count(429) >= 1


def test_a_slow_issuer_holds_up_nobody(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    def slow(*_: Any) -> None:
        go_on.wait(20)
        raise IdTokenRefused(reason="too late")

    monkeypatch.setattr(oidc, "exchange", slow)
    with open_door(registry) as door:
        lane = door.services.lanes["providers"]

        def exchange(_: int) -> int:
            body = {"token": "a.b.c", "namespace": "fraud"}
            return int(door.call("POST", "oidc/exchange", json=body, token=None).status_code)

        with occupied(40, exchange) as exchanges:
            wait_for(lane, 4)
            assert door.send(b"bytes that are sent meanwhile")
            assert door.get("whoami").status_code == 200
            assert lane.taken == 4
            go_on.set()
        assert {each.result() for each in exchanges} <= {401, 429}


def test_streams_of_one_account_are_counted(registry: Registry) -> None:
    with open_door(registry, streams_per_client=2) as door:
        client = ("account", registry.root.id)
        with door.services.streams.take(client), door.services.streams.take(client):
            assert_problem(door.get("events"), 429, "share_used_up")
            assert_problem(door.get("audit/export"), 429, "share_used_up")
        door.services.stopping.set()
        assert door.get("events").status_code == 200
        door.services.stopping.clear()


def test_an_upload_is_refused_before_its_bytes_are_waited_for(door: Door) -> None:
    data = b"of a stranger"
    answer = door.call("PUT", f"blobs/{digest_of(data)}", token=None, content=data)
    assert answer.status_code == 401


def test_hostile_comments_are_written_and_shown(door: Door) -> None:
    model = f"{unique('fair')}/m"
    door.register(model)
    table = "|a" * 500 + "\n" + "|-" * 500 + "\n" + "|x\n" * 5900
    made = door.call("POST", f"models/{model}/comments", json={"body": table})
    assert made.status_code == 201
    assert made.json()["html"].startswith("<p>|a|a")
    shown = door.get(f"models/{model}/comments").json()["items"]
    assert [item["html"][:5] for item in shown] == ["<p>|a"]


ALIASES = (
    "---\na: &a [x,x,x,x,x,x,x,x]\n"
    + "".join(
        f"b{n}: &b{n} [*{'a' if not n else f'b{n - 1}'}{f',*b{n - 1}' * 8 if n else ''}]\n" for n in range(9)
    )
    + "---\n# Purpose\n"
)


@pytest.mark.parametrize(
    "text",
    [ALIASES, "---\n" + "[" * 60_000 + "\n---\n", "---\n" + "a: b\n" * 10_000 + "---\n", "# a" + "#" * 60_000],
)
def test_hostile_cards_are_looked_through(door: Door, text: str) -> None:
    model = f"{unique('fair')}/m"
    door.register(model)
    assert door.call("PUT", f"models/{model}/versions/1/card", json={"text": text}).status_code == 200
    assert door.get(f"models/{model}/versions/1/card/problems").status_code == 200
    assert door.get(f"models/{model}/versions/1/card/html").status_code == 200


def test_a_card_of_a_megabyte_of_brackets_is_too_large(door: Door) -> None:
    model = f"{unique('fair')}/m"
    door.register(model)
    answer = door.call("PUT", f"models/{model}/versions/1/card", json={"text": "[" * 1_000_000})
    assert answer.status_code in (400, 413)


@pytest.mark.parametrize(
    "expr",
    [
        "1 == 1" + " || 1 == 1" * 6000,
        "(" * 30_000 + "1" + ")" * 30_000,
        "facts.all(x, facts.all(y, true))",
        'facts.size() == 0 // "\\n || facts.all(x, facts.all(y, facts.all(z, true))) // "',
    ],
)
def test_a_policy_of_hostile_expressions_is_refused(door: Door, expr: str) -> None:
    name = unique("fair")
    door.call("POST", "namespaces", json={"name": name})
    quoted = expr.replace("'", "''").replace("\\n", "\n\n          ")
    text = f"version: 1\npromote:\n  - to: staging\n    rules:\n      - assert: {{expr: '{quoted}'}}\n"
    before = door.rows()
    answer = door.call("PUT", f"namespaces/{name}/policy", json={"text": text})
    assert answer.status_code in (400, 422), answer.text
    assert door.rows() == before
