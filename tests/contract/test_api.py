"""Every route of the native door answers as it says, on both databases."""

from __future__ import annotations

import json
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from modelyard.api import access, aliases, catalog, files, operations, retention, uploads, versions
from modelyard.domain.manifest import MANIFEST_MEDIA_TYPE
from tests.support.door import Door, digest_of, open_door
from tests.support.registry import Registry, unique

TABLES = [versions, files, uploads, aliases, catalog, access, operations, retention]


class Noted(Door):
    """A door that notes which routes have answered with success."""

    def __init__(self, door: Door) -> None:
        super().__init__(door.client, door.registry, door.services, door.token)
        self.answered: set[str] = set()
        self._routes = [
            (spec.method, _pattern(spec.path), spec.operation)
            for module in TABLES
            for spec in module.table.specs
        ]

    def call(self, method: str, path: str, *, expect: int = 200, **options: Any) -> Any:
        answer = super().call(method, path, **options)
        assert answer.status_code == expect, answer.text[:500]
        route = answer.request.url.path
        for found, pattern, operation in self._routes:
            if found == method and pattern.fullmatch(route):
                self.answered.add(operation)
                break
        return answer


def _pattern(path: str) -> Any:
    import re

    return re.compile(re.sub(r"{\w+:path}", ".+", re.sub(r"{\w+(:(?!path)\w+)?}", "[^/]+", path)))


def test_every_route_does_its_work(door: Door) -> None:
    """The whole story of one namespace, from its birth to its end."""
    to = Noted(door)
    space, other = unique("story"), unique("story")
    model = f"{space}/scorer"
    _accounts(to, space)
    _catalogue(to, space, other, model)
    _bytes_and_versions(to, model)
    _aliases_and_history(to, model)
    _keeping(to, space, model)
    _ending(to, space, other, model)
    expected = {spec.operation for module in TABLES for spec in module.table.specs}
    assert expected - to.answered == set()


def _accounts(to: Noted, space: str) -> None:
    me = to.call("GET", "whoami").json()
    assert (me["name"], me["is_admin"], me["server"]) == ("root", True, "0.test")
    ada, group = unique("ada"), unique("risk")
    made = to.call(
        "POST", "accounts", json={"name": ada, "password": "correct horse battery"}, expect=201
    ).json()
    assert (made["name"], made["kind"], made["disabled"]) == (ada, "user", False)
    to.call("POST", "accounts", json={"name": group, "kind": "group"}, expect=201)
    assert to.call("GET", f"accounts/{ada}").json() == made
    edited = to.call("PATCH", f"accounts/{ada}", json={"email": "ada@example.org"}).json()
    assert edited == {**made, "email": "ada@example.org"}
    listed = to.call("GET", "accounts?kind=group&limit=1000").json()["items"]
    assert group in [row["name"] for row in listed]
    to.call("PUT", f"groups/{group}/members/{ada}", expect=204)
    assert to.call("GET", f"groups/{group}/members").json()["items"] == [ada]
    to.call("DELETE", f"groups/{group}/members/{ada}", expect=204)
    assert to.call("GET", f"groups/{group}/members").json()["items"] == []
    link = to.call("POST", f"accounts/{ada}/sign-in-link", expect=201).json()["url"]
    assert link.startswith("http://127.0.0.1:8470/login?link=")
    token = to.call(
        "POST", "tokens", json={"name": "ci", "namespace": space, "permissions": ["model.read"]}, expect=201
    ).json()
    shown = {row["id"]: row for row in to.call("GET", "tokens").json()["items"]}
    assert shown[token["id"]]["namespace"] == space
    assert token["token"] not in json.dumps(shown)
    narrow = to.call("GET", "whoami", token=token["token"]).json()
    assert (narrow["token_namespace"], narrow["token_permissions"]) == (space, ["model.read"])
    to.call("DELETE", f"tokens/{token['id']}", expect=204)
    to.call("GET", "whoami", token=token["token"], expect=401)
    signed_in = to.call(
        "POST",
        "session",
        json={"name": ada, "password": "correct horse battery"},
        token=None,
        expect=204,
    )
    cookie = signed_in.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert to.call("GET", "whoami", token=None).json()["name"] == ada
    to.call("DELETE", "session", token=None, headers={"sec-fetch-site": "same-origin"}, expect=204)
    to.client.cookies.clear()


def _catalogue(to: Noted, space: str, other: str, model: str) -> None:
    made = to.call("POST", "namespaces", json={"name": space, "description": "Fraud"}, expect=201)
    assert made.headers["etag"] == f'"{made.json()["revision"]}"'
    to.call("POST", "namespaces", json={"name": other}, expect=201)
    assert to.call("GET", f"namespaces/{space}").json() == made.json()
    edited = to.call(
        "PATCH",
        f"namespaces/{space}",
        json={"display_name": "Team"},
        headers={"if-match": made.headers["etag"]},
    ).json()
    assert (edited["display_name"], edited["description"]) == ("Team", "Fraud")
    names = [row["name"] for row in to.call("GET", "namespaces?limit=1000").json()["items"]]
    assert space in names
    assert names == sorted(names)
    who = unique("bob")
    to.call("POST", "accounts", json={"name": who}, expect=201)
    to.call("POST", "models", json={"name": f"{space}/draft", "tags": {"a": "b"}}, expect=201)
    leaver = unique("leaver")
    to.call("POST", "accounts", json={"name": leaver}, expect=201)
    assert to.call("DELETE", f"accounts/{leaver}").json()["name"].startswith("deleted-")
    for at in (f"namespaces/{space}", f"models/{space}/draft"):
        to.call("PUT", f"{at}/members/{who}", json={"role": "reader"}, expect=204)
        held = {row["name"]: row["role"] for row in to.call("GET", f"{at}/members").json()["items"]}
        assert held[who] == "reader"
        to.call("DELETE", f"{at}/members/{who}", expect=204)
    renamed = to.call("POST", f"models/{space}/draft/rename", json={"to": "scorer"}).json()
    assert renamed["name"] == model
    assert to.call("GET", f"models/{space}/draft").json()["name"] == model
    edited = to.call("PATCH", f"models/{model}", json={"description": "Scores payments", "owners": ["ada"]})
    assert edited.json()["owners"] == ["ada"]
    found = to.call("GET", "models", params={"q": "payments", "namespace": space, "total": "true"}).json()
    assert ([row["name"] for row in found["items"]], found["total"]) == ([model], 1)
    facets = to.call("GET", "model-facets", params={"namespace": space}).json()["facets"]
    assert facets["namespace"] == [{"value": space, "count": 1}]


def _bytes_and_versions(to: Noted, model: str) -> None:
    small, large = unique("small").encode(), unique("large").encode() * 1000
    wanted = [{"digest": digest_of(data), "size_bytes": len(data)} for data in (small, large)]
    missing = to.call("POST", "blobs/missing", json={"blobs": wanted}).json()["missing"]
    assert missing == [entry["digest"] for entry in wanted]
    to.call("PUT", f"blobs/{digest_of(small)}", content=small, expect=201)
    upload = to.call("POST", "uploads", json=wanted[1], expect=201).json()
    at = f"uploads/{upload['id']}"
    to.call("PATCH", at, content=large[:100], headers={"upload-offset": "0"})
    assert to.call("GET", at).json()["offset"] == 100
    to.call("PATCH", at, content=large[100:], headers={"upload-offset": "100"})
    assert to.call("POST", f"{at}/finish", expect=201).json() == wanted[1]
    unwanted = to.call(
        "POST", "uploads", json={"digest": digest_of(b"x" * 99), "size_bytes": 99}, expect=201
    ).json()
    to.call("DELETE", f"uploads/{unwanted['id']}", expect=204)
    assert to.call("POST", "blobs/missing", json={"blobs": wanted}).json()["missing"] == []
    body = {
        "files": [{"path": "a/small.bin", **wanted[0]}, {"path": "large.bin", **wanted[1]}],
        "facts": {"params": {"depth": 3}, "metrics": [{"name": "f1", "value": 0.5}]},
        "tags": {"team": "risk"},
        "aliases": ["champion"],
    }
    made = to.call("POST", f"models/{model}/versions", json=body, expect=201).json()
    assert (made["version"], made["created"], made["aliases"]) == (1, True, ["champion"])
    again = to.call("POST", f"models/{model}/versions", json=body).json()
    assert (again["version"], again["created"]) == (1, False)
    version = f"models/{model}/versions/1"
    shown = to.call("GET", version).json()
    assert {**shown, "created": True} == made
    assert to.call("GET", f"models/{model}/versions?tag=team%3Drisk&metric=f1>0.4").json()["items"] == [shown]
    edited = to.call("PATCH", version, json={"description": "first"}).json()
    assert edited["description"] == "first"
    listed = to.call("GET", f"{version}/files").json()
    assert [row["path"] for row in listed["items"]] == ["a/small.bin", "large.bin"]
    manifest = to.call("GET", f"{version}/manifest")
    assert digest_of(manifest.content) == made["digest"] == manifest.headers["docker-content-digest"]
    assert manifest.headers["content-type"] == MANIFEST_MEDIA_TYPE
    record = to.call("GET", f"{version}/record")
    assert digest_of(record.content) == made["record_digest"]
    assert record.json()["params"] == {"depth": 3}
    assert to.call("GET", f"{version}/files/large.bin").content == large
    assert to.call("POST", f"{version}/verify").json()["damaged"] == []
    image = {"digest": "sha256:" + "a" * 64, "reference": "registry.example.org/scorer"}
    recorded = to.call("PUT", f"{version}/image", json=image).json()
    assert recorded["image"]["digest"] == image["digest"]


def _aliases_and_history(to: Noted, model: str) -> None:
    door = Door(to.client, to.registry, to.services, to.token)
    door.register(model, facts={"params": {"depth": 4}})
    moved = to.call("PUT", f"models/{model}/aliases/champion", json={"version": 2, "reason": "better"})
    assert (moved.json()["version"], moved.headers["etag"]) == (2, '"2"')
    assert to.call("GET", f"models/{model}/aliases/champion").json() == moved.json()
    assert to.call("GET", f"models/{model}/aliases").json()["items"] == [moved.json()]
    found = to.call("GET", "resolve", params={"ref": f"{model}@champion"}).json()
    assert (found["version"], found["reference"], found["alias_revision"]) == (2, f"{model}:2", 2)
    moves = to.call("GET", f"models/{model}/aliases/champion/history").json()["items"]
    assert [(m["from_version"], m["to_version"], m["reason"]) for m in moves] == [
        (1, 2, "better"),
        (None, 1, None),
    ]
    kinds = [row["kind"] for row in to.call("GET", f"models/{model}/history?limit=1000").json()["items"]]
    assert kinds.count("version.registered") == 2
    logged = to.call("GET", "audit/events?kind=alias.moved&limit=1000").json()["items"]
    assert [row["model"] for row in logged].count(model) == 2


def _keeping(to: Noted, space: str, model: str) -> None:
    version, rule = f"models/{model}/versions/1", f"namespaces/{space}/retention"
    assert to.call("PUT", f"{version}/keep", json={"reason": "trial"}).json()["kept"]["reason"] == "trial"
    assert to.call("DELETE", f"{version}/keep?reason=closed").json()["kept"] is None
    made = to.call("PUT", rule, json={"keep_versions": 9}).json()
    assert to.call("GET", rule).json() == made
    judged = to.call("GET", f"{rule}/plan").json()["items"]
    assert [(row["version"], row["stays"]) for row in judged] == [(2, True), (1, True)]
    assert to.call("POST", f"{rule}/run").json() == {"action": "archive", "versions": 0, "size_bytes": 0}
    to.call("DELETE", rule, expect=204)


def _ending(to: Noted, space: str, other: str, model: str) -> None:
    to.call("DELETE", f"models/{model}/aliases/champion", expect=204)
    to.call("DELETE", f"models/{model}/versions/1", expect=204)
    assert to.call("GET", f"models/{model}/versions/1").json()["state"] == "deleted"
    to.call("GET", f"models/{model}/versions/1/files/large.bin", expect=409)
    to.call("DELETE", f"models/{model}?reason=retired", expect=204)
    to.call("GET", f"models/{model}", expect=404)
    to.call("DELETE", f"namespaces/{other}", expect=204)
    to.call("GET", f"namespaces/{other}", expect=404)
    assert to.call("GET", "admin/storage").json()["size_bytes"] > 0
    plan = to.call("POST", "admin/gc", json={"dry_run": True}).json()
    assert plan["dry_run"] is True
    lines = to.call("POST", "admin/scrub").text.split("\n\n")
    last = json.loads(lines[-2].partition("data: ")[2])
    assert (last["finished"], last["damage"]) == (True, [])
    assert to.call("GET", "/health", token=None).json() == {"status": "ok", "release": "0.test"}
    assert to.call("GET", "/ready", token=None).json() == {"status": "ready", "database": "ok", "blobs": "ok"}


def test_pages_follow_each_other_without_gaps(door: Door, model: str) -> None:
    for depth in range(5):
        door.register(model, b"same", facts={"params": {"depth": depth}})
    seen: list[int] = []
    cursor: str | None = ""
    while cursor is not None:
        query = f"&cursor={cursor}" if cursor else ""
        page = door.get(f"models/{model}/versions?limit=2{query}").json()
        seen += [row["version"] for row in page["items"]]
        cursor = page["next_cursor"]
    assert seen == [5, 4, 3, 2, 1]


def test_metrics_can_be_read(door: Door) -> None:
    door.get("whoami")
    assert door.get("/metrics", token=None).status_code == 401
    assert door.get("/metrics", token=door.token_of(door.registry.user())).status_code == 403
    auditor = door.token_of(door.registry.user(is_auditor=True), permissions=["log.read"])
    assert door.get("/metrics", token=auditor).status_code == 200
    with open_door(door.registry, metrics_public=True) as opened:
        assert opened.get("/metrics", token=None).status_code == 200
    answer = door.get("/metrics")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    requests = {
        (s.labels["method"], s.labels["route"], s.labels["status"]): s.value
        for s in families["modelyard_requests"].samples
    }
    assert requests["GET", "/api/v1/whoami", "200"] >= 1
    buckets = [
        sample
        for sample in families["modelyard_request_seconds"].samples
        if sample.name.endswith("_bucket") and sample.labels["route"] == "/api/v1/whoami"
    ]
    counts = [sample.value for sample in buckets]
    assert counts == sorted(counts)
    assert counts[-1] == sum(v for (_, route, _), v in requests.items() if route == "/api/v1/whoami")
    assert families["modelyard_database_batches"].samples[0].value > 0


def test_metrics_tell_what_the_registry_holds(door: Door, model: str) -> None:
    def figures() -> dict[tuple[str, str], float]:
        families = text_string_to_metric_families(door.get("/metrics").text)
        return {(s.name, s.labels.get("state", "")): s.value for family in families for s in family.samples}

    door.register(model, unique("other").encode())
    before = figures()
    content = unique("held").encode()
    door.register(model, content)
    door.register(model, content, force_new=True)
    after = figures()
    assert after["modelyard_versions", "ready"] == before["modelyard_versions", "ready"] + 2
    assert after["modelyard_stored_files", ""] == before["modelyard_stored_files", ""] + 1
    assert after["modelyard_stored_bytes", ""] == before["modelyard_stored_bytes", ""] + len(content)
    assert {"pending", "dead"} <= {state for name, state in after if name == "modelyard_deliveries"}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_the_store_of_bytes_is_asked_for_readiness(
    registry: Registry, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    from modelyard.domain.errors import BlobStoreUnavailable

    def broken() -> None:
        raise BlobStoreUnavailable()

    monkeypatch.setattr(registry.blobs, "check", broken)
    answer = door.get("/ready", token=None)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json() == {
        "status": "unavailable",
        "database": "ok",
        "blobs": "the blob store does not answer",
    }
    assert door.get("/health", token=None).status_code == 200
