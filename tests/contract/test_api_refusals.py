"""Bad input at the native door: an exact status and code, what to do next, and nothing written."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from modelyard.db.tables import actors
from modelyard.domain.names import ModelName
from tests.support.door import Door, assert_problem, digest_of, open_door
from tests.support.registry import unique

NOBODYS = "sha256:" + "0" * 64
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def door(small_door: Door) -> Door:
    return small_door


@pytest.fixture(scope="module")
def here(door: Door) -> dict[str, Any]:
    """A model with two versions, the first under @champion, and one blob."""
    model = f"{unique('space')}/scorer"
    file = door.send(unique("weights").encode())
    files = [file]
    for depth in (1, 2):
        body = {
            "files": files,
            "facts": {"params": {"d": depth}},
            "aliases": ["champion"] if depth == 1 else [],
        }
        assert door.call("POST", f"models/{model}/versions", json=body).status_code == 201
    return {"model": model, "space": model.partition("/")[0], "file": file}


def refused(door: Door, status: int, code: str, method: str, path: str, **options: Any) -> dict[str, Any]:
    """The request is refused just so, and every table and the store are as they were."""
    before = door.rows()
    body = assert_problem(door.call(method, path, **options), status, code)
    assert door.rows() == before
    return body


# --- bytes -------------------------------------------------------------------------------------------


def test_bytes_that_are_not_what_was_announced(door: Door) -> None:
    data = unique("data").encode()
    refused(door, 400, "digest_mismatch", "PUT", f"blobs/{NOBODYS}", content=data)
    refused(door, 400, "invalid_digest", "PUT", "blobs/sha256:XYZ", content=data)
    refused(door, 400, "invalid_digest", "PUT", f"blobs/{digest_of(data).upper()}", content=data)
    refused(door, 400, "invalid_request", "PUT", f"blobs/{digest_of(data)}", content=iter([data]))
    upload = door.call("POST", "uploads", json={"digest": digest_of(data), "size_bytes": len(data)}).json()
    at = f"uploads/{upload['id']}"
    refused(door, 409, "offset_mismatch", "PATCH", at, content=data, headers={"upload-offset": "1"})
    for offset in ("", "-1", "x", "²", "1" * 5000):
        refused(
            door,
            400,
            "invalid_request",
            "PATCH",
            at,
            content=data,
            headers={"upload-offset": offset.encode("latin-1")},
        )
    refused(door, 400, "size_mismatch", "PATCH", at, content=data + b"!", headers={"upload-offset": "0"})
    refused(door, 400, "size_mismatch", "POST", f"{at}/finish")
    assert door.call("PATCH", at, content=b"x" * len(data), headers={"upload-offset": "0"}).status_code == 200
    refused(door, 400, "digest_mismatch", "POST", f"{at}/finish")
    stranger = door.as_(door.token_of(door.registry.user()))
    for method, path in (("GET", at), ("PATCH", at), ("POST", f"{at}/finish"), ("DELETE", at)):
        refused(stranger, 404, "upload_not_found", method, path, headers={"upload-offset": "0"})
        refused(door, 404, "upload_not_found", method, path.replace(upload["id"], "0" * 32))
    assert door.call("DELETE", at).status_code == 204


def test_sizes_that_cannot_be(door: Door, here: dict[str, Any]) -> None:
    known = here["file"]
    for size, code in (
        (-1, "size_mismatch"),
        (known["size_bytes"] + 1, "size_mismatch"),
        (2**80, "invalid_request"),
    ):
        body = {"blobs": [{"digest": known["digest"], "size_bytes": size}]}
        refused(door, 400, code, "POST", "blobs/missing", json=body)
    twice = [{"digest": NOBODYS, "size_bytes": 1}, {"digest": NOBODYS, "size_bytes": 2}]
    refused(door, 400, "size_mismatch", "POST", "blobs/missing", json={"blobs": twice})
    refused(door, 400, "invalid_request", "POST", "uploads", json={"digest": NOBODYS, "size_bytes": -1})
    refused(door, 413, "too_large", "POST", "uploads", json={"digest": NOBODYS, "size_bytes": 2**60})


# --- manifests ---------------------------------------------------------------------------------------

BAD_PATHS = [
    *("..", "../x", "a/../x", "./x", "a/./x", "a//x", "/etc/passwd", "C:/x", "a\\b", "a/", "", "a/b ", "a."),
    *("tab\tx", "new\nline", "esc\x1b[0m", "\x7f", "\u2028", ".cache/x", "x" * 300, "e\u0301"),
]


@pytest.mark.parametrize("path", BAD_PATHS, ids=ascii)
def test_paths_that_could_do_harm(door: Door, here: dict[str, Any], path: str) -> None:
    body = {"files": [{**here["file"], "path": path}]}
    refused(door, 400, "invalid_path", "POST", f"models/{here['model']}/versions", json=body)


@pytest.mark.parametrize(
    ("paths", "code"),
    [
        (["a", "a"], "invalid_path"),
        (["Model.bin", "model.bin"], "invalid_path"),
        (["Dir/a", "dir/b"], "invalid_path"),
        (["a", "a/b"], "invalid_path"),
        (["stra\u00dfe", "STRASSE"], "invalid_path"),
        ([], "invalid_manifest"),
    ],
)
def test_paths_that_clash(door: Door, here: dict[str, Any], paths: list[str], code: str) -> None:
    body = {"files": [{**here["file"], "path": path} for path in paths]}
    refused(door, 400, code, "POST", f"models/{here['model']}/versions", json=body)


def test_files_without_bytes(door: Door, here: dict[str, Any]) -> None:
    """Also in a namespace that would have had to be made."""
    body = {"files": [here["file"], {"path": "lost.bin", "digest": NOBODYS, "size_bytes": 3}]}
    for model in (here["model"], f"{unique('space')}/new"):
        problem = refused(door, 400, "missing_blobs", "POST", f"models/{model}/versions", json=body)
        assert problem["fields"]["digests"] == [NOBODYS]
    wrong = {"files": [{**here["file"], "size_bytes": here["file"]["size_bytes"] + 1}]}
    refused(door, 400, "size_mismatch", "POST", f"models/{here['model']}/versions", json=wrong)
    negative = {"files": [{**here["file"], "size_bytes": -7}]}
    refused(door, 400, "invalid_manifest", "POST", f"models/{here['model']}/versions", json=negative)


def test_a_digest_is_no_key_to_the_bytes_of_others(door: Door, here: dict[str, Any]) -> None:
    """Knowing a digest is not enough to register, and then read, what another team uploaded."""
    stranger = door.as_(door.token_of(door.registry.user()))
    entry = {"digest": here["file"]["digest"], "size_bytes": here["file"]["size_bytes"]}
    missing = stranger.call("POST", "blobs/missing", json={"blobs": [entry]}).json()["missing"]
    assert missing == [entry["digest"]]
    path = f"models/{unique('space')}/thief/versions"
    refused(stranger, 400, "missing_blobs", "POST", path, json={"files": [here["file"]]})


@pytest.mark.parametrize(
    "facts",
    [
        {"colour": 1},
        {"code": "text"},
        {"params": [1]},
        {"params": {"": 1}},
        {"metrics": [{"name": "f1"}]},
        {"metrics": [{"name": "f1", "value": "high"}]},
        {"metrics": [{"name": "f1", "value": 1, "unit": "%"}]},
        {"metrics": {"f1": True}},
        {"metrics": [{"name": "f1", "value": 1}, {"name": "f1", "value": 2}]},
        {"data": {"name": "x"}},
        {"run": json.loads('{"a":' * 40 + "1" + "}" * 40)},
    ],
    ids=lambda facts: json.dumps(facts)[:40],
)
def test_facts_that_are_none(door: Door, here: dict[str, Any], facts: dict[str, Any]) -> None:
    body = {"files": [here["file"]], "facts": facts}
    refused(door, 400, "invalid_fact", "POST", f"models/{here['model']}/versions", json=body)


# --- names -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["api", "v2", "health", "_x", "Ünï", "a b", "a--b", "a..b", "-a", "a-", "x.git", "", "x" * 97, "a/b"],
)
def test_an_unlawful_name_is_answered_with_a_lawful_one(door: Door, name: str) -> None:
    problem = refused(door, 400, "invalid_name", "POST", "namespaces", json={"name": name})
    proposal = problem["fields"]["proposal"]
    assert str(ModelName.parse(f"{proposal}/x")) == f"{proposal}/x"


@pytest.mark.parametrize("alias", ["latest", "v3", "12", "deadbeef", "-x", "a b", "main", "ä", "x" * 65])
def test_an_unlawful_alias_is_answered_with_a_lawful_one(door: Door, here: dict[str, Any], alias: str) -> None:
    path = f"models/{here['model']}/aliases"
    problem = refused(door, 400, "invalid_alias", "PUT", f"{path}/{alias}", json={"version": 1})
    proposal = problem["fields"]["proposal"]
    assert door.call("PUT", f"{path}/{proposal}", json={"version": 1}).status_code == 200
    assert door.call("DELETE", f"{path}/{proposal}").status_code == 204


@pytest.mark.parametrize(
    ("reference", "code"),
    [
        ("", "invalid_name"),
        ("scorer", "invalid_name"),
        ("a/b/c", "invalid_name"),
        ("a/b:0", "invalid_reference"),
        ("a/b:-1", "invalid_reference"),
        ("a/b:1.5", "invalid_reference"),
        ("a/b:" + "9" * 30, "invalid_reference"),
        ("a/b@sha256:12", "invalid_reference"),
        ("a/b:1@champion", "invalid_reference"),
        ("a/b@", "invalid_alias"),
        ("a/b" * 200, "invalid_reference"),
    ],
)
def test_references_that_mean_nothing(door: Door, reference: str, code: str) -> None:
    answer = door.get("resolve", params={"ref": reference})
    assert_problem(answer, 400, code)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("resolve?ref={space}/none", "model_not_found"),
        ("resolve?ref=nowhere/none", "model_not_found"),
        ("resolve?ref={model}:99", "version_not_found"),
        ("resolve?ref={model}@canary", "alias_not_found"),
        ("resolve?ref={model}@" + NOBODYS, "version_not_found"),
        ("namespaces/nowhere", "namespace_not_found"),
        ("models/{model}/versions/99", "version_not_found"),
        ("models/{model}/versions/1/files/none", "file_not_found"),
        ("models/{model}/versions/1/files/%2e%2e/%2e%2e/etc/passwd", "file_not_found"),
        ("models/{model}/aliases/canary", "alias_not_found"),
        ("accounts/nobody-here", "actor_not_found"),
        ("groups/root/members", "actor_not_found"),
        ("nothing", "route_not_found"),
        ("models/a/b/c/d", "route_not_found"),
        ("audit/events/" + "9" * 5000 + "/proof", "route_not_found"),
    ],
)
def test_what_is_not_there(door: Door, here: dict[str, Any], path: str, code: str) -> None:
    assert_problem(door.get(path.format(**here)), 404, code)


# --- shapes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b'{"name": "x", "colour": 1}',
        b'{"name": 5}',
        b'{"name": null}',
        b"{}",
        b"",
        b"[]",
        b'"x"',
        b"{",
        b'{"name": "x"} {}',
        b'{"name": NaN}',
        b'{"name": "\xff\xfe"}',
        b'{"name": "\\ud800"}',
        b'{"name": "x", "description": "\\ud800"}',
        b'{"name": "x", "description": "a\\u0000b"}',
        b'{"name": "x", "reserved_names": ["a\\u0000b"]}',
        b'{"name": "x", "reserved_names": {"a": 1}}',
        b"[" * 100_000,
        b'{"name": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
        b"\xef\xbb\xbf{}",
        b"\x1f\x8b\x08\x00",
    ],
    ids=lambda body: ascii(body[:30]),
)
def test_bodies_that_are_not_the_shape(door: Door, body: bytes) -> None:
    before = door.rows()
    answer = door.call("POST", "namespaces", content=body, headers=JSON)
    assert answer.status_code == 400, answer.text
    assert answer.json()["code"] in ("invalid_request", "invalid_fact", "invalid_name")
    assert answer.json()["fix"]
    assert door.rows() == before


@pytest.mark.parametrize(
    "part",
    [
        {"files": [{"path": "a\0b", "digest": NOBODYS, "size_bytes": 1}]},
        {"facts": {"params": {"x": "\0"}}},
        {"facts": {"code": {"a": [{"\0": 1}]}}},
        {"description": "\0"},
        {"tags": {"\0": "x"}},
    ],
    ids=lambda part: next(iter(part)),
)
def test_no_text_has_a_nul(door: Door, here: dict[str, Any], part: dict[str, Any]) -> None:
    body = {"files": [here["file"]], **part}
    refused(door, 400, "invalid_request", "POST", f"models/{here['model']}/versions", json=body)


def test_an_escaped_backslash_is_no_nul(door: Door, model: str) -> None:
    made = door.register(model, description="\\u0000")
    assert made["description"] == "\\u0000"


def test_the_content_type_is_asked_for(door: Door) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        body = json.dumps({"name": unique("space")}).encode()
        refused(
            door, 400, "invalid_request", "POST", "namespaces", content=body, headers={"content-type": kind}
        )
    made = door.call(
        "POST",
        "namespaces",
        content=json.dumps({"name": unique("space")}).encode(),
        headers={"content-type": "Application/JSON; charset=utf-8"},
    )
    assert made.status_code == 201


def test_bodies_that_are_too_large(door: Door, here: dict[str, Any]) -> None:
    with open_door(door.registry, max_request_bytes=2000, max_files_per_version=2, max_file_bytes=10) as small:
        body = json.dumps({"name": "x", "description": "d" * 3000}).encode()
        refused(small, 413, "too_large", "POST", "namespaces", content=body, headers=JSON)
        problem = refused(small, 413, "too_large", "POST", "namespaces", content=iter([body]), headers=JSON)
        assert "max_request_bytes" in problem["fix"]
        files = [{**here["file"], "path": str(n)} for n in range(3)]
        path = f"models/{here['model']}/versions"
        refused(small, 400, "invalid_manifest", "POST", path, json={"files": files})
        refused(small, 413, "too_large", "PUT", f"blobs/{digest_of(b'x' * 11)}", content=b"x" * 11)


@pytest.mark.parametrize(
    "query",
    [
        "colour=1",
        "limit=0",
        "limit=1001",
        "limit=-1",
        "limit=many",
        "limit=" + "9" * 40,
        "limit=1&limit=2",
        "cursor=",
        "cursor=!!!",
        "cursor=WzFd",
        "cursor=WyJhIiwgImIiXQ",
        "cursor=\u00e4",
        "cursor=" + "A" * 2000,
        # [9999…9, 1] with 30 digits: larger than any column
        "cursor=Wzk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OSwgMV0",
        "archived=perhaps",
        "metric=f1",
        "metric=f1>high",
        "q=%00",
        "tag=a%00",
        "owner=%00",
        "owner=%ff",
        "alias=latest",
    ],
)
def test_queries_that_are_not_the_shape(door: Door, query: str) -> None:
    answer = door.get(f"models?{query}")
    if query == "owner=%ff":
        assert answer.status_code == 200
        return
    assert answer.status_code == 400, answer.text
    assert answer.json()["code"] in ("invalid_request", "invalid_alias")
    assert answer.json()["fix"]


@pytest.mark.parametrize(
    "path",
    [
        "namespaces/a%00b",
        "models/{space}/a%00b",
        "models/{model}/versions/1/files/a%00b",
        "accounts/a%00b",
        "groups/a%00b/members",
        "uploads/a%00b",
        "models/{model}/history?actor=a%00b",
        "models/{model}/history?since=yesterday",
        "models/{model}/history?since=2026-01-01T00:00:00",
        "models/{model}/versions?state=pending",
        "models/{model}/versions?tag=team",
        "accounts?kind=robot",
    ],
)
def test_paths_and_queries_that_no_database_can_look_up(door: Door, here: dict[str, Any], path: str) -> None:
    answer = door.get(path.format(**here))
    assert answer.status_code in (400, 404), answer.text
    assert answer.json()["fix"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("accounts", {"name": "x", "kind": "robot"}),
        ("accounts", {"name": "x", "password": "short"}),
        ("accounts", {"name": "x", "email": "a\0b"}),
        ("accounts", {"name": "x", "display_name": "a\0b"}),
        ("tokens", {"name": "a\0b"}),
        ("tokens", {"name": "x", "permissions": ["fly"]}),
        ("tokens", {"name": "x", "model": "m"}),
        ("tokens", {"name": "x", "expires_in_days": -1}),
        ("tokens", {"name": "x", "expires_in_days": 1e300}),
        ("tokens", {"name": "x", "form": "jwt"}),
        ("namespaces", {"name": "x", "visibility": "secret"}),
        ("namespaces", {"name": "x", "naming_pattern": "(a+)+"}),
        ("models", {"name": "{space}/x", "tags": {"": "x"}}),
        ("models", {"name": "{space}/x", "owners": ["x" * 300]}),
        ("models", {"name": "{space}/x", "description": "x" * 20_001}),
        ("admin/gc", {"grace_hours": 1e300}),
        ("admin/gc", {"dry_run": False, "grace_hours": 1e305}),
    ],
    ids=lambda value: value if isinstance(value, str) else json.dumps(value)[:40],
)
def test_values_that_cannot_be(door: Door, here: dict[str, Any], path: str, body: dict[str, Any]) -> None:
    if str(body.get("name", "")).startswith("{space}"):
        body = {**body, "name": body["name"].format(**here)}
    before = door.rows()
    answer = door.call("POST", path, json=body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["fix"]
    assert door.rows() == before


# --- conflicts ---------------------------------------------------------------------------------------


def test_what_exists_already(door: Door, here: dict[str, Any]) -> None:
    refused(door, 409, "already_exists", "POST", "namespaces", json={"name": here["space"]})
    refused(door, 409, "already_exists", "POST", "models", json={"name": here["model"]})
    refused(door, 409, "already_exists", "POST", "accounts", json={"name": "root"})


def test_conflicting_alias_moves(door: Door, model: str) -> None:
    for depth in (1, 2):
        door.register(model, b"same", facts={"params": {"d": depth}})
    path = f"models/{model}/aliases/canary"
    first = door.call("PUT", path, json={"version": 1}, headers={"if-none-match": "*"})
    assert (first.status_code, first.headers["etag"]) == (200, '"1"')
    refused(door, 412, "alias_moved", "PUT", path, json={"version": 2}, headers={"if-none-match": "*"})
    refused(door, 412, "alias_moved", "PUT", path, json={"version": 2}, headers={"if-match": '"7"'})
    refused(door, 412, "alias_moved", "DELETE", path, headers={"if-match": '"7"'})
    refused(door, 400, "invalid_request", "PUT", path, json={"version": 2}, headers={"if-match": '"x"'})
    moved = door.call("PUT", path, json={"version": 2}, headers={"if-match": '"1"'})
    assert (moved.status_code, moved.headers["etag"]) == (200, '"2"')
    refused(door, 400, "invalid_request", "PUT", path, json={})
    refused(door, 400, "invalid_request", "PUT", path, json={"version": 1, "target": "@canary"})
    refused(door, 404, "version_not_found", "PUT", path, json={"version": 99})
    refused(door, 400, "invalid_reference", "PUT", path, json={"version": -1})
    refused(door, 400, "invalid_request", "PUT", path, json={"version": 1, "reason": "a\0b"})


def test_deletes_name_what_depends_on_it(door: Door, here: dict[str, Any]) -> None:
    version, whole = f"models/{here['model']}/versions/1", f"models/{here['model']}"
    for method, path, options in (
        ("DELETE", version, {}),
        ("DELETE", whole, {}),
        ("PATCH", version, {"json": {"archived": True}}),
    ):
        problem = refused(door, 409, "has_dependents", method, path, **options)
        assert "@champion" in problem["fields"]["dependents"]
        assert "alias remove" in problem["fix"]
    problem = refused(door, 409, "has_dependents", "DELETE", f"namespaces/{here['space']}")
    assert "1 model" in problem["fields"]["dependents"]


def test_edits_of_what_was_changed_meanwhile(door: Door, model: str) -> None:
    door.register(model)
    space = model.partition("/")[0]
    for path, body in (
        (f"models/{model}", {"description": "x"}),
        (f"models/{model}/versions/1", {"description": "x"}),
        (f"models/{model}/versions/1", {"archived": True}),
        (f"namespaces/{space}", {"description": "x"}),
    ):
        seen = door.get(path).headers["etag"]
        refused(door, 412, "edit_conflict", "PATCH", path, json=body, headers={"if-match": '"99"'})
        changed = door.call("PATCH", path, json=body, headers={"if-match": seen})
        assert changed.status_code == 200
        assert changed.headers["etag"] != seen
        refused(door, 412, "edit_conflict", "PATCH", path, json=body, headers={"if-match": seen})


def test_the_last_owner_and_the_last_admin_stay(door: Door, here: dict[str, Any]) -> None:
    refused(door, 409, "conflict", "DELETE", f"namespaces/{here['space']}/members/root")
    # Other tests of this run may have made further admins.
    others = actors.update().where(actors.c.name != "root").values(is_admin=0)
    door.registry.db.write(lambda tx: tx.execute(others))
    refused(door, 409, "conflict", "PATCH", "accounts/root", json={"disabled": True})
    refused(door, 409, "conflict", "PATCH", "accounts/root", json={"is_admin": False})


# --- tokens ------------------------------------------------------------------------------------------


@pytest.fixture
def tokens(door: Door) -> Callable[[str], str]:
    ada = door.registry.user()

    def make(kind: str) -> str:
        if kind == "expired":
            return door.token_of(ada, expires_in_days=1e-9)
        token = door.token_of(ada)
        if kind == "revoked":
            mine = door.as_(token)
            for row in mine.get("tokens").json()["items"]:
                assert mine.call("DELETE", f"tokens/{row['id']}").status_code == 204
        if kind == "disabled":
            assert door.call("PATCH", f"accounts/{ada.name}", json={"disabled": True}).status_code == 200
        return token

    return make


@pytest.mark.parametrize(
    ("kind", "code"),
    [("expired", "token_expired"), ("revoked", "token_invalid"), ("disabled", "token_invalid")],
)
def test_tokens_that_were_good_once(door: Door, tokens: Callable[[str], str], kind: str, code: str) -> None:
    problem = assert_problem(door.get("whoami", token=tokens(kind)), 401, code)
    assert "modelyard" in problem["fix"]


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Bearer mdy_user_" + "A" * 49,
        "Bearer hf_" + "a" * 40,
        "Bearer \u00e9\u00e9",
        "Digest abc",
        "Basic",
        "Basic !!!",
        "Basic \u00e9",
        "Basic AAAA",
        "",
    ],
)
def test_headers_that_prove_nothing(door: Door, header: str) -> None:
    """A wrong token is an error and never anonymous, on public routes too."""
    for path in ("whoami", "models"):
        answer = door.get(path, headers={"authorization": header.encode("latin-1")})
        assert answer.status_code == 401, answer.text
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.json()["fix"]


@pytest.mark.parametrize(
    ("field", "most"), [("display_name", 200), ("email", 254)], ids=lambda value: str(value)
)
def test_what_accounts_say_of_themselves_is_short(door: Door, field: str, most: int) -> None:
    """For who makes the account, and for the account itself."""
    name = unique("ann")
    made = {"name": name, field: "x" * most}
    problem = refused(door, 400, "invalid_fact", "POST", "accounts", json={**made, field: "x" * (most + 1)})
    assert f"at most {most} are allowed" in problem["detail"]
    refused(door, 400, "invalid_request", "POST", "accounts", json={**made, field: "a\0b"})
    assert door.call("POST", "accounts", json=made).status_code == 201
    own = door.as_(door.token_of(door.registry.find(name)))
    refused(own, 400, "invalid_fact", "PATCH", f"accounts/{name}", json={field: "y" * (most + 1)})
    assert own.get(f"accounts/{name}").json()[field] == "x" * most
    assert own.call("PATCH", f"accounts/{name}", json={field: "y" * most}).json()[field] == "y" * most


def test_names_of_tokens_are_short(door: Door) -> None:
    refused(door, 400, "invalid_fact", "POST", "tokens", json={"name": "x" * 201})
    assert door.call("POST", "tokens", json={"name": "x" * 200}).status_code == 201


def test_anonymous_requests_are_told_to_sign_in(door: Door, here: dict[str, Any]) -> None:
    for method, path in (
        ("GET", "whoami"),
        ("GET", f"models/{here['model']}"),
        ("GET", "models/no/where"),
        ("POST", "admin/gc"),
        ("DELETE", f"models/{here['model']}"),
    ):
        refused(door, 401, "unauthenticated", method, path, token=None)


def test_narrow_tokens_stay_narrow(door: Door, here: dict[str, Any]) -> None:
    other = f"{unique('space')}/other"
    door.register(other)
    narrow = door.as_(door.token_of(door.registry.root, namespace=here["space"], permissions=["model.read"]))
    assert narrow.get(f"models/{here['model']}").status_code == 200
    refused(narrow, 403, "token_scope_too_narrow", "DELETE", f"models/{here['model']}")
    refused(narrow, 403, "token_scope_too_narrow", "GET", f"models/{here['model']}/versions/1/files/x")
    refused(narrow, 404, "model_not_found", "GET", f"models/{other}")
    refused(narrow, 403, "full_sign_in_needed", "POST", "tokens", json={"name": "wider"})
