"""What HTTP promises: origins, hosts, conditions, repeats, ranges, methods, limits, and what is logged."""

from __future__ import annotations

import asyncio
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from modelyard.doors import edge
from modelyard.doors.authentication import SESSION_COOKIE
from modelyard.registry.access import usecases as access
from modelyard.server.logs import JsonLines
from tests.support.door import HOST, Door, assert_problem, digest_of, open_door
from tests.support.registry import Registry, unique

# --- browsers ----------------------------------------------------------------------------------------


@pytest.fixture
def session(door: Door) -> str:
    def work(tx: Any) -> str:
        return access.sign_in_by_link(tx, access.make_sign_in_link(tx, door.registry.root, "root"))

    return door.registry.db.write(work)


ORIGINS = [
    ({"sec-fetch-site": "same-origin"}, True),
    ({"sec-fetch-site": "none"}, True),
    ({"sec-fetch-site": "cross-site"}, False),
    ({"sec-fetch-site": "same-site"}, False),
    ({"sec-fetch-site": "cross-site", "origin": f"http://{HOST}"}, False),
    ({"origin": f"http://{HOST}"}, True),
    ({"origin": "http://127.0.0.1:9999"}, False),
    ({"origin": "http://127.0.0.1"}, False),
    ({"origin": "https://evil.example"}, False),
    ({"origin": f"http://{HOST}.evil.example"}, False),
    ({"origin": f"http://evil.example/{HOST}"}, False),
    ({"origin": f"http://x@{HOST}"}, False),
    ({"origin": "null"}, False),
    ({"origin": "http://[::1"}, False),
    ({"origin": ""}, False),
    ({"referer": f"http://{HOST}/"}, False),
    ({}, False),
]


@pytest.mark.parametrize(("headers", "allowed"), ORIGINS, ids=lambda value: str(value)[:60])
def test_a_session_acts_only_for_our_own_pages(
    door: Door, session: str, headers: dict[str, str], allowed: bool
) -> None:
    sent = {**headers, "cookie": f"{SESSION_COOKIE}={session}"}
    assert door.get("whoami", token=None, headers=sent).json()["name"] == "root"
    name = unique("space")
    before = door.rows()
    answer = door.call("POST", "namespaces", token=None, headers=sent, json={"name": name})
    if allowed:
        assert answer.status_code == 201
    else:
        assert_problem(answer, 403, "denied")
        assert door.rows() == before


def test_a_token_needs_no_origin(door: Door) -> None:
    answer = door.call(
        "POST", "namespaces", json={"name": unique("space")}, headers={"origin": "https://evil.example"}
    )
    assert answer.status_code == 201


def test_a_session_that_ended_is_nobody(door: Door, session: str) -> None:
    cookie = {"cookie": f"{SESSION_COOKIE}={session}", "sec-fetch-site": "same-origin"}
    assert door.call("DELETE", "session", token=None, headers=cookie).status_code == 204
    assert_problem(door.get("whoami", token=None, headers=cookie), 401, "unauthenticated")
    garbage = {"cookie": f"{SESSION_COOKIE}=\xe9; x"}
    headers = {name: value.encode("latin-1") for name, value in garbage.items()}
    assert_problem(door.get("whoami", token=None, headers=headers), 401, "unauthenticated")


def test_wrong_passwords_are_all_alike(door: Door) -> None:
    name = unique("ada")
    door.call("POST", "accounts", json={"name": name, "password": "correct horse battery"})
    for wrong in ({"name": name, "password": "x"}, {"name": "nobody-at-all", "password": "x"}):
        problem = assert_problem(door.call("POST", "session", token=None, json=wrong), 401, "sign_in_failed")
        assert name not in json.dumps(problem)
    # Signing in by password needs no proof of origin: there is no session yet to abuse.
    good = {"name": name, "password": "correct horse battery"}
    assert door.call("POST", "session", token=None, json=good).status_code == 204
    door.client.cookies.clear()


@pytest.mark.parametrize(
    ("host", "settings", "known"),
    [
        (HOST, {}, True),
        ("127.0.0.1", {}, True),
        ("LOCALHOST:8470", {}, True),
        ("localhost:1", {}, True),
        ("[::1]:8470", {}, True),
        ("evil.example", {}, False),
        ("evil.example:8470", {}, False),
        ("127.0.0.1.evil.example", {}, False),
        ("", {}, False),
        ("registry.example.org", {"public_url": "https://registry.example.org"}, True),
        ("evil.example", {"public_url": "https://registry.example.org"}, False),
        ("registry.example.org", {"allowed_hosts": "registry.example.org, other.example"}, True),
        ("other.example:443", {"allowed_hosts": "registry.example.org, other.example"}, True),
        ("evil.example", {"allowed_hosts": "registry.example.org"}, False),
        ("evil.example", {"host": "0.0.0.0", "allowed_hosts": "registry.example.org"}, False),
        ("anything.example", {"host": "0.0.0.0"}, True),
    ],
)
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_foreign_host_name_is_refused(
    registry: Registry, host: str, settings: dict[str, str], known: bool
) -> None:
    """Otherwise a page whose name is made to point at this machine could talk to its registry."""
    with open_door(registry, **settings) as own:
        answer = own.get("/api/v1/openapi.json", headers={"host": host})
        if known:
            assert answer.status_code == 200
        else:
            assert_problem(answer, 400, "misdirected")
        # Probes name the address that they happen to ask; what it says is no secret.
        assert own.get("/health", headers={"host": host}).status_code == 200


# --- conditions and repeats --------------------------------------------------------------------------


def test_what_is_unchanged_is_not_sent_again(door: Door, model: str) -> None:
    made = door.register(model, aliases=["champion"])
    name = door.get(f"models/{model}/versions/1/files").json()["items"][0]["path"]
    for path in (f"resolve?ref={model}@champion", f"models/{model}/versions/1/files/{name}"):
        first = door.get(path)
        etag = first.headers["etag"]
        for given in (etag, f"W/{etag}", f'"other", {etag}'):
            again = door.get(path, headers={"if-none-match": given})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
        assert door.get(path, headers={"if-none-match": '"other"'}).status_code == 200
    before = door.get(f"resolve?ref={model}@champion").headers["etag"]
    door.register(model, aliases=["champion"], facts={"params": {"n": 2}})
    after = door.get(f"resolve?ref={model}@champion", headers={"if-none-match": before})
    assert (after.status_code, after.json()["version"]) == (200, 2)
    assert made["version"] == 1


def test_a_repeated_request_answers_as_the_first_one(door: Door, model: str) -> None:
    file = door.send(b"same")
    key = {"idempotency-key": unique("key")}
    body = {"files": [file], "force_new": True}
    path = f"models/{model}/versions"
    first = door.call("POST", path, json=body, headers=key)
    assert first.status_code == 201
    rows = door.rows()
    again = door.call("POST", path, json=body, headers=key)
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotent-replay"] == "true"
    assert again.headers["etag"] == first.headers["etag"]
    assert_problem(
        door.call("POST", path, json={**body, "description": "x"}, headers=key), 409, "idempotency_conflict"
    )
    assert_problem(
        door.call("POST", "namespaces", json={"name": unique()}, headers=key), 409, "idempotency_conflict"
    )
    assert door.rows() == rows
    for wrong in ("", "k" * 201):
        refused = door.call("POST", path, json=body, headers={"idempotency-key": wrong})
        assert_problem(refused, 400, "invalid_request")
    # A key belongs to its actor.
    stranger = door.as_(door.token_of(door.registry.user()))
    assert stranger.call("POST", "namespaces", json={"name": unique("space")}, headers=key).status_code == 201


def test_a_refused_request_keeps_no_answer(door: Door, model: str) -> None:
    """It may be sent again with the same key once its cause is gone."""
    key = {"idempotency-key": unique("key")}
    body = {"version": 1}
    path = f"models/{model}/aliases/champion"
    assert_problem(door.call("PUT", path, json=body, headers=key), 404, "model_not_found")
    door.register(model)
    assert door.call("PUT", path, json=body, headers=key).status_code == 200


def test_repeats_that_arrive_together_make_one(door: Door, model: str) -> None:
    file = door.send(b"same")
    key = {"idempotency-key": unique("key")}
    body = {"files": [file], "force_new": True}
    door.register(model, b"first")

    def push(_: int) -> Any:
        return door.call("POST", f"models/{model}/versions", json=body, headers=key)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(push, range(16)))
    assert {(a.status_code, a.json()["version"]) for a in answers} == {(201, 2)}
    assert len(door.get(f"models/{model}/versions").json()["items"]) == 2


def test_deletes_can_be_repeated(door: Door, model: str) -> None:
    door.register(model)
    door.register(model, facts={"params": {"n": 2}})
    key = {"idempotency-key": unique("key")}
    for _ in range(2):
        assert door.call("DELETE", f"models/{model}/versions/1", headers=key).status_code == 204
    kinds = [row["kind"] for row in door.get(f"models/{model}/history").json()["items"]]
    assert kinds.count("version.deleted") == 1


# --- ranges and methods ------------------------------------------------------------------------------

DATA = bytes(range(256)) * 10
RANGES = [
    ("bytes=0-", 206, DATA),
    ("bytes=0-0", 206, DATA[:1]),
    ("bytes=10-19", 206, DATA[10:20]),
    ("bytes=2550-9999999", 206, DATA[2550:]),
    ("bytes=-5", 206, DATA[-5:]),
    ("bytes=-99999", 206, DATA),
    ("bytes=2559-2559", 206, DATA[-1:]),
    ("bytes=0-1,5-6", 200, DATA),
    ("bytes=-", 200, DATA),
    ("bytes=", 200, DATA),
    ("bytes=x-y", 200, DATA),
    ("bytes=" + "9" * 5000 + "-", 200, DATA),
    ("pages=1-2", 200, DATA),
    ("nonsense", 200, DATA),
    ("bytes=2560-", 416, b""),
    ("bytes=9-3", 416, b""),
    ("bytes=-0", 416, b""),
]


@pytest.fixture(scope="module")
def file_url(door: Door) -> str:
    model = f"{unique('space')}/scorer"
    door.register(model, DATA)
    name = door.get(f"models/{model}/versions/1/files").json()["items"][0]["path"]
    return f"models/{model}/versions/1/files/{name}"


@pytest.mark.parametrize("store", ["memory", "folder"])
@pytest.mark.parametrize(("header", "status", "expected"), RANGES, ids=lambda value: str(value)[:24])
def test_ranges_of_a_file(
    door: Door, file_url: str, as_stored: Any, store: str, header: str, status: int, expected: bytes
) -> None:
    """The same answers whether the framework sends the file or this door streams it."""
    with as_stored(store):
        answer = door.get(file_url, headers={"range": header})
        if status == 416:
            assert_problem(answer, 416, "range_not_satisfiable")
            assert answer.headers["content-range"] == f"bytes */{len(DATA)}"
            return
        assert (answer.status_code, answer.content) == (status, expected)
        assert answer.headers["accept-ranges"] == "bytes"
        assert answer.headers["etag"] == f'"{digest_of(DATA)}"'
        if status == 206:
            start = (
                DATA.index(expected)
                if len(expected) > 256
                else int(answer.headers["content-range"][6:].split("-")[0])
            )
            end = start + len(expected) - 1
            assert answer.headers["content-range"] == f"bytes {start}-{end}/{len(DATA)}"
            assert DATA[start : end + 1] == expected


@pytest.mark.parametrize("store", ["memory", "folder"])
def test_a_range_of_other_bytes_is_not_mixed_in(door: Door, file_url: str, as_stored: Any, store: str) -> None:
    with as_stored(store):
        for condition, status in ((f'"{digest_of(DATA)}"', 206), ('"another"', 200), ("yesterday", 200)):
            answer = door.get(file_url, headers={"range": "bytes=0-4", "if-range": condition})
            assert answer.status_code == status


@pytest.mark.parametrize("store", ["memory", "folder"])
def test_head_says_what_get_would(door: Door, file_url: str, as_stored: Any, store: str) -> None:
    with as_stored(store):
        whole, head = door.get(file_url), door.call("HEAD", file_url, headers={"range": "bytes=0-4"})
        assert (head.status_code, head.content) == (200, b"")
        for name in ("content-length", "content-type", "etag", "accept-ranges", "x-modelyard-digest"):
            assert head.headers[name] == whole.headers[name]


@pytest.fixture
def as_stored(door: Door, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts the one file of these tests into a folder, as the store in a folder would hold it."""
    from contextlib import contextmanager

    @contextmanager
    def stored(store: str) -> Any:
        with monkeypatch.context() as patch:
            if store == "folder":
                path = tmp_path_factory.mktemp("file") / "blob"
                path.write_bytes(DATA)
                patch.setattr(door.registry.blobs, "local_path", lambda digest: path)
            yield

    return stored


def test_head_works_where_get_does(door: Door, model: str) -> None:
    door.register(model)
    for path in ("/health", "whoami", f"models/{model}", f"resolve?ref={model}", "models/no/where"):
        get, head = door.get(path), door.call("HEAD", path)
        assert head.status_code == get.status_code
        assert head.headers["content-type"] == get.headers["content-type"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "whoami", "GET, HEAD"),
        ("PUT", "models/a/b", "DELETE, GET, HEAD, PATCH"),
        ("GET", "blobs/x", "PUT"),
        ("POST", "/metrics", "GET, HEAD"),
        ("PATCH", "openapi.json", "GET, HEAD"),
        ("BREW", "models", "GET, HEAD, POST"),
        ("OPTIONS", "models", "GET, HEAD, POST"),
    ],
)
def test_methods_that_are_not_taken(door: Door, method: str, path: str, allowed: str) -> None:
    answer = door.call(method, path)
    assert_problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == allowed


@pytest.mark.parametrize(
    "path", ["/api/v1/", "/api/v2/models", "/api/v1/models/", "//api/v1/models", "/%2e%2e/etc"]
)
def test_addresses_that_lead_nowhere(door: Door, path: str) -> None:
    assert_problem(door.get(path), 404, "route_not_found")


# --- ids, logs and limits ----------------------------------------------------------------------------


def test_request_ids_are_kept_when_lawful(door: Door) -> None:
    assert door.get("whoami", headers={"x-request-id": "build-7.a_b"}).headers["x-request-id"] == "build-7.a_b"
    seen = {door.get("whoami").headers["x-request-id"] for _ in range(3)}
    assert len(seen) == 3
    for bad in ("a b", "x" * 65, "é", 'x"', "<b>"):
        given = door.get("nothing", headers={"x-request-id": bad.encode("latin-1")})
        assert given.headers["x-request-id"] != bad
        assert_problem(given, 404, "route_not_found")


def test_every_answer_is_kept_from_being_guessed_at(door: Door) -> None:
    for path in ("whoami", "/health", "nothing", "/metrics"):
        assert door.get(path).headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_no_secret_is_ever_logged(registry: Registry, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with open_door(registry, access_log="all") as own:
        token = own.as_(own.token_of(registry.root)).token
        expired = own.token_of(registry.root, expires_in_days=1e-9)
        password = "correct horse battery"
        own.get("whoami", token=token)
        own.get("whoami", token=expired)
        own.get(f"models/x/{token}", token=token)
        own.get(f"models?q={token}", token=token)
        own.get(f"resolve?ref={token}")
        own.call("PUT", f"blobs/{token}", content=b"x")
        own.call("POST", "accounts", json={"name": unique("ada"), "password": password})
        own.call("POST", "session", token=None, json={"name": "root", "password": password})
        made = own.call("POST", "tokens", json={"name": "x"}).json()["token"]
        link = own.call("POST", "accounts/root/sign-in-link").json()["url"].partition("link=")[2]
    lines = [JsonLines().format(record) for record in caplog.records if record.name.startswith("modelyard")]
    assert len(lines) >= 9
    text = "\n".join(lines)
    for secret in (token, expired, password, made, link, registry.root_token):
        assert secret not in text
    for line in lines:
        assert json.loads(line)["request_id"]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_too_many_requests(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(edge.time, "monotonic", lambda: now[0])
    with open_door(registry, rate_limit=1.0) as own:
        assert {own.get("whoami").status_code for _ in range(10)} == {200}
        answer = own.get("whoami")
        problem = assert_problem(answer, 429, "rate_limited")
        assert int(answer.headers["retry-after"]) >= 1
        assert "rate_limit" in problem["fix"]
        # Another client is not held up, and this one comes in again later.
        assert own.get("whoami", token=own.token_of(registry.root)).status_code == 200
        now[0] += 1.5
        assert [own.get("whoami").status_code for _ in range(2)] == [200, 429]
        # A process that lives says so, the person who asks too much.
        assert {own.get("/health", token="").status_code for _ in range(20)} == {200}


@pytest.mark.parametrize("path", ["whoami", "policy/schema"])
def test_guessing_tokens_is_limited(registry: Registry, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """Also where no token is asked for, so that nothing is gained by sending one."""
    monkeypatch.setattr(edge.time, "monotonic", lambda: 1000.0)
    with open_door(registry, rate_limit=1.0) as own:
        assert own.get("whoami").status_code == 200
        guessed = [own.get(path, token=f"mdy_user_{number}").status_code for number in range(15)]
        assert 429 not in guessed[:9]
        assert set(guessed[9:]) == {429}
        # Who has proven their token is not held up by guesses from the same address.
        assert own.get("whoami").status_code == 200
        # Nor does a failed sign-in, which says 401 too, begin a new count for it.
        wrong = {"name": "nobody", "password": "not the password"}
        attempts = [own.call("POST", "session", json=wrong).status_code for _ in range(8)]
        # Guessing one account's password is slowed down for itself.
        assert attempts == [401] * 5 + [429] * 3
        assert own.get("whoami").status_code == 429


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_bodies_that_trickle_in_are_cut_off(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "_SLOW_BODY_GRACE_SECONDS", 0.0)
    before = door.rows()
    answers = [
        asyncio.run(_trickle(door, method, path))
        for method, path in (("POST", "/api/v1/namespaces"), ("PUT", f"/api/v1/blobs/{digest_of(b'x' * 99)}"))
    ]
    for status, body in answers:
        assert (status, body["code"]) == (400, "slow_body")
    assert door.rows() == before


async def _trickle(door: Door, method: str, path: str) -> tuple[int, dict[str, Any]]:
    """A client that sends one byte of its body and then nothing."""
    from modelyard.server.app import build_app

    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "query_string": b"",
        "client": ("127.0.0.1", 1),
        "headers": [
            (b"host", HOST.encode()),
            (b"authorization", f"Bearer {door.token}".encode()),
            (b"content-type", b"application/json"),
            (b"content-length", b"99"),
        ],
    }
    sent: list[Any] = []
    first = [{"type": "http.request", "body": b"x", "more_body": True}]

    async def receive() -> Any:
        if first:
            return first.pop()
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        sent.append(message)

    await build_app(door.services)(scope, receive, send)
    return sent[0]["status"], json.loads(sent[1]["body"])
