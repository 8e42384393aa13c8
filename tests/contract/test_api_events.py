"""Every route of the event log, the stream, subscriptions and publishers, and who may; on both databases."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modelyard.api import audit, events, oidc, outbox
from modelyard.sdk.audit import verify_log
from tests.support.door import Door, assert_problem
from tests.support.registry import unique


@pytest.fixture
def space(door: Door) -> Iterator[str]:
    """A namespace with a model; streams end behind what has happened so far."""
    door.services.stopping.set()
    name = unique("told")
    door.call("POST", "namespaces", json={"name": name})
    door.register(f"{name}/scorer", aliases=["champion"])
    yield name
    door.services.stopping.clear()


def ok(answer: Any, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text[:800]
    return answer.json() if answer.content else None


def member(door: Door, space: str, role: str) -> Door:
    actor = door.registry.user()
    if role != "none":
        ok(door.call("PUT", f"namespaces/{space}/members/{actor.name}", json={"role": role}), 204)
    return door.as_(door.token_of(actor))


def test_every_route_is_in_the_description(door: Door) -> None:
    paths = door.get("openapi.json").json()["paths"]
    for module in (audit, events, outbox, oidc):
        for spec in module.table.specs:
            assert spec.method.lower() in paths[re.sub(r":\w+}", "}", spec.path)], spec.operation


def test_the_log_by_its_routes(door: Door, space: str, tmp_path: Path) -> None:
    checkpoint = ok(door.get("audit/checkpoint"))
    old = tmp_path / "old"
    old.write_text(checkpoint["note"], encoding="utf-8")
    door.call("PUT", f"models/{space}/scorer/aliases/canary", json={"version": 1})
    exports = {
        "whole": "audit/export",
        "model": f"audit/export?model={space}/scorer&since_size={checkpoint['size']}",
    }
    for name, path in exports.items():
        file = tmp_path / name
        file.write_bytes(door.get(path).content)
        report = verify_log(file, key=checkpoint["key"], against=old)
        assert (report.ok, report.since) == (True, checkpoint["size"])
    found = ok(door.get("audit/events?kind=alias.moved&limit=1"))["items"][0]
    file.write_bytes(door.get(f"audit/events/{found['seq']}/proof").content)
    assert verify_log(file).checked == 1
    proof = ok(door.get(f"audit/consistency?old=3&new={checkpoint['size']}"))
    assert (proof["old"], proof["new"]) == (3, checkpoint["size"])
    lines = door.call("POST", "audit/check").text.split("\n\n")
    last = json.loads(lines[-2].partition("data: ")[2])
    assert (last["finished"], last["damage"]) == (True, [])
    assert_problem(door.get("audit/export?since_size=-1"), 400, "invalid")
    assert_problem(door.get("audit/events/99999999/proof"), 404, "event_not_found")


def stream(answer: Any) -> list[dict[str, Any]]:
    assert answer.headers["content-type"].startswith("text/event-stream")
    return [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]


def test_the_stream(door: Door, space: str) -> None:
    found = stream(door.get(f"events?namespace={space}&after=0"))
    assert [event["kind"] for event in found] == [
        "namespace.created",
        "model.created",
        "version.registered",
        "alias.moved",
    ]
    again = door.get(f"events?model={space}/scorer", headers={"last-event-id": str(found[2]["seq"])})
    assert [event["seq"] for event in stream(again)] == [found[3]["seq"]]
    assert f"id: {found[3]['seq']}\nevent: alias.moved\n" in again.text
    assert stream(door.get(f"events?namespace={space}")) == []
    assert_problem(door.get("events", headers={"last-event-id": "x"}), 400, "invalid_request")
    assert_problem(door.get("events?kind=nothing"), 400, "invalid")
    assert_problem(door.get("events", token=None), 401, "unauthenticated")


def test_subscriptions_by_their_routes(door: Door, space: str) -> None:
    body = {"kind": "webhook", "target": "https://hooks.test/x", "namespace": space, "from_event": 0}
    made = ok(door.call("POST", "subscriptions", json=body), 201)
    number = made["id"]
    assert made["secret"].startswith("whsec_")
    assert [s["id"] for s in ok(door.get(f"subscriptions?namespace={space}"))["items"]] == [number]
    assert number in [s["id"] for s in ok(door.get("subscriptions"))["items"]]
    assert ok(door.get(f"subscriptions/{number}"))["secret"] is None
    edited = ok(
        door.call("PATCH", f"subscriptions/{number}", json={"event_kinds": ["alias.*"], "active": False})
    )
    assert (edited["event_kinds"], edited["state"]) == (["alias.*"], "disabled")
    assert ok(door.call("POST", f"subscriptions/{number}/rotate"))["secret"] != made["secret"]
    assert ok(door.get(f"subscriptions/{number}/deliveries"))["items"] == []
    assert ok(door.call("POST", f"subscriptions/{number}/replay", json={})) == {"count": 0}
    assert_problem(door.get(f"subscriptions/{number}/deliveries?state=lost"), 400, "invalid")
    ok(door.call("DELETE", f"subscriptions/{number}"), 204)
    assert_problem(door.get(f"subscriptions/{number}"), 404, "subscription_not_found")


def test_publishers_by_their_routes(door: Door, space: str) -> None:
    at = f"namespaces/{space}/publishers"
    body = {"kind": "github", "repository": "acme/churn", "owner_id": "4711", "workflow": "train.yml"}
    made = ok(door.call("POST", at, json=body), 201)
    assert made["claims"]["ref"] == "refs/heads/main"
    assert ok(door.get(at))["items"] == [made]
    assert_problem(door.call("POST", at, json={**body, "owner_id": None}), 400, "invalid")
    assert_problem(door.call("POST", at, json={**body, "role": "king"}), 400, "invalid")
    assert ok(door.get("oidc/audience", token=None)) == {"audience": door.services.public_url}
    refused = door.call("POST", "oidc/exchange", json={"token": "rubbish", "namespace": "fraud"}, token=None)
    assert_problem(refused, 401, "id_token_refused")
    ok(door.call("DELETE", f"{at}/{made['id']}"), 204)
    assert ok(door.get(at))["items"] == []


# Verb → who may, by first letter: no one in particular, reader, contributor, maintainer, owner, admin.
VERBS: dict[str, tuple[str, tuple[str, str, Any]]] = {
    "see the whole log": ("a", ("GET", "audit/export?since_size=0", None)),
    "check the log": ("a", ("POST", "audit/check", None)),
    "export a model's events": ("rcmoa", ("GET", "audit/export?model={space}/scorer", None)),
    "follow a namespace": ("rcmoa", ("GET", "events?namespace={space}", None)),
    "take a checkpoint": ("nrcmoa", ("GET", "audit/checkpoint", None)),
    "subscribe a namespace": (
        "moa",
        ("POST", "subscriptions", {"kind": "slack", "target": "https://x.test/", "namespace": "{space}"}),
    ),
    "subscribe the server": ("a", ("POST", "subscriptions", {"kind": "slack", "target": "https://x.test/"})),
    "list publishers": ("rcmoa", ("GET", "namespaces/{space}/publishers", None)),
    "trust a publisher": (
        "oa",
        (
            "POST",
            "namespaces/{space}/publishers",
            {"kind": "other", "issuer": "https://ci.test", "claims": {"sub": "x"}},
        ),
    ),
}


@pytest.mark.parametrize("verb", VERBS)
def test_verb_by_role(door: Door, space: str, verb: str) -> None:
    allowed, (method, path, body) = VERBS[verb]
    text = json.dumps(body).replace("{space}", space) if body is not None else None
    for role in ("none", "reader", "contributor", "maintainer", "owner", "admin"):
        asking = door if role == "admin" else member(door, space, role)
        headers = {"content-type": "application/json"} if text is not None else {}
        answer = asking.call(method, path.replace("{space}", space), content=text, headers=headers)
        letter = "n" if role == "none" else role[0]
        assert (answer.status_code < 300) is (letter in allowed), (role, answer.status_code, answer.text[:200])
        if letter not in allowed:
            assert answer.status_code in (403, 404), (role, answer.text[:200])
