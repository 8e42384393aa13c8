"""Every route of promotion, policies and reports answers as it says, on both databases."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from modelyard.api import attestations, cards, checks, evaluations, policy, promotion
from tests.support.door import Door, assert_problem
from tests.support.registry import unique

POLICY = """\
version: 1
promote:
  - {to: development, rules: []}
  - {to: staging, rules: []}
  - to: production
    rules:
      - check: {name: unit}
      - approvals: {group: GROUP}
"""


@pytest.fixture
def story(door: Door) -> dict[str, Any]:
    """A namespace with a policy, a model with two versions, a voter without a role."""
    space = unique("stage")
    group = unique("risk")
    door.call("POST", "namespaces", json={"name": space})
    door.call("POST", "accounts", json={"name": group, "kind": "group"})
    voter, author = door.registry.user(), door.registry.user()
    door.call("PUT", f"groups/{group}/members/{voter.name}")
    door.call("PUT", f"namespaces/{space}/members/{author.name}", json={"role": "contributor"})
    writer = door.as_(door.token_of(author))
    for _ in range(2):
        writer.register(f"{space}/scorer")
    return {
        "space": space,
        "model": f"models/{space}/scorer",
        "name": f"{space}/scorer",
        "text": POLICY.replace("GROUP", group),
        "voter": door.as_(door.token_of(voter)),
        "author": writer,
    }


def ok(answer: Any, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text[:800]
    return answer.json()


def test_every_route_is_in_the_description(door: Door) -> None:
    paths = door.get("openapi.json").json()["paths"]
    for module in (promotion, policy, checks, evaluations, attestations, cards):
        for spec in module.table.specs:
            assert spec.method.lower() in paths[spec.path], spec.operation
            assert spec.summary


def test_the_story_of_a_promotion(door: Door, story: dict[str, Any]) -> None:
    model, space = story["model"], story["space"]
    put = door.call("PUT", f"namespaces/{space}/policy", json={"text": story["text"], "reason": "start"})
    assert (ok(put)["revision"], put.headers["etag"]) == (1, '"1"')
    wish = {"version": 1, "stage": "production"}
    dry = ok(door.call("POST", f"{model}/promotions", json={**wish, "dry_run": True}))
    assert (dry["outcome"], dry["promotion"], dry["verdict"]["allowed"]) == ("dry-run", None, False)
    refused = door.call("POST", f"{model}/promotions", json=wish)
    body = assert_problem(refused, 409, "refused")
    attempt = body["fields"]["attempt"]
    assert [r["rule"] for r in attempt["verdict"]["results"] if r["outcome"] != "pass"] == [
        "check-unit",
        attempt["verdict"]["results"][1]["rule"],
    ]
    number = attempt["promotion"]["id"]
    at = f"promotions/{number}"
    # The voter sees the promotion and nothing else.
    voter = story["voter"]
    assert [p["id"] for p in ok(voter.get("promotions"))["items"]] == [number]
    assert_problem(voter.get(model), 404, "model_not_found")
    assert ok(voter.call("POST", f"{at}/votes", json={"approves": True, "comment": "ok"}))["votes"][0]["counts"]
    assert ok(voter.get("promotions"))["items"] == []
    ok(door.call("POST", f"{model}/versions/1/checks", json={"name": "unit", "state": "pass"}), 201)
    shown = ok(door.get(at))
    assert (shown["state"], shown["verdict"]["passed"], shown["stale"]) == ("open", True, None)
    key = {"idempotency-key": unique("key")}
    done = [door.call("POST", f"{model}/promotions", json=wish, headers=key) for _ in range(2)]
    assert [answer.status_code for answer in done] == [201, 201]
    assert done[0].content == done[1].content
    assert done[1].headers["idempotent-replay"] == "true"
    assert ok(door.call("POST", f"{model}/promotions", json=wish))["changed"] is False
    found = ok(door.get(f"resolve?ref={story['name']}@production"))
    assert found["version"] == 1
    stages = ok(door.get(f"{model}/stages"))["items"]
    assert [(s["name"], s["primary"]) for s in stages] == [
        ("development", None),
        ("staging", None),
        ("production", 1),
    ]
    history = ok(door.get(f"{model}/stages/production/history"))["items"]
    assert (history[0]["after_primary"], len(history[0]["votes"])) == (1, 1)
    listed = ok(door.get(f"{model}/promotions?state=done&stage=production&version=1"))["items"]
    assert [row["id"] for row in listed] == [number]
    assert_problem(door.call("POST", f"{at}/votes", json={"approves": True}), 409, "promotion_closed")


def test_waive_and_withdraw(door: Door, story: dict[str, Any]) -> None:
    model = story["model"]
    ok(door.call("PUT", f"namespaces/{story['space']}/policy", json={"text": story["text"]}))
    asked = ok(
        story["author"].call(
            "POST", f"{model}/promotions", json={"target": "2", "stage": "production", "request": True}
        ),
        202,
    )
    at = f"promotions/{asked['promotion']['id']}"
    waived = ok(door.call("POST", f"{at}/waivers", json={"rule": "check-unit", "reason": "down"}))
    assert [r["outcome"] for r in waived["verdict"]["results"]] == ["waived", "fail"]
    own = story["author"].call("POST", f"{at}/waivers", json={"rule": "check-unit", "reason": "mine"})
    assert_problem(own, 403, "denied")
    gone = ok(story["author"].call("POST", f"{at}/withdraw", json={"reason": "later"}))
    assert (gone["state"], gone["closed_reason"]) == ("withdrawn", "later")
    assert_problem(door.get("promotions/nine"), 404, "promotion_not_found")
    assert_problem(door.get("promotions/999999999"), 404, "promotion_not_found")


def test_rollback_demote_and_deprecate(door: Door, story: dict[str, Any]) -> None:
    model = story["model"]
    for version in (1, 2):
        ok(door.call("POST", f"{model}/promotions", json={"version": version, "stage": "staging"}), 201)
    seen = ok(door.get(f"{model}/stages"))["items"][1]["revision"]
    body = {"reason": "broke", "seen_revision": seen}
    back = ok(door.call("POST", f"{model}/stages/staging/rollback", json=body), 201)
    assert (back["version"], back["from_version"], back["reason"]) == (1, 2, "broke")
    assert_problem(door.call("POST", f"{model}/stages/staging/rollback", json=body), 412, "alias_moved")
    left = ok(door.call("POST", f"{model}/stages/staging/demote", json={}), 201)
    assert left["after_primary"] is None
    assert_problem(door.get(f"{model}/stages/nowhere/history"), 404, "stage_not_found")
    said = {"replacement": 2, "ends_at": "2100-01-01T00:00:00Z", "reason": "old"}
    warned = ok(door.call("PUT", f"{model}/versions/1/deprecation", json=said))
    assert "use " in warned["warning"]
    assert "deprecated" in ok(door.get(f"resolve?ref={story['name']}:1"))["warning"]
    assert ok(door.call("DELETE", f"{model}/versions/1/deprecation"))["warning"] is None


def test_policies(door: Door, story: dict[str, Any]) -> None:
    space, model = story["space"], story["model"]
    example = door.get("policy/example", token=None)
    assert example.headers["content-type"].startswith("application/yaml")
    assert ok(door.get("policy/schema", token=None))["title"] == "Modelyard policy"
    at = f"namespaces/{space}/policy"
    assert ok(door.get(at))["sources"] == ["default"]
    wrong = door.call("PUT", at, json={"text": "version: 1\npromote:\n  - {to: live, rulez: []}"})
    assert assert_problem(wrong, 400, "invalid_policy")["fields"]["line"] == 3
    ok(door.call("PUT", at, json={"text": example.text, "dry_run": True}))
    assert ok(door.get(at))["revision"] == 0
    ok(door.call("PUT", at, json={"text": story["text"]}, headers={"if-none-match": "*"}))
    conflict = door.call("PUT", at, json={"text": example.text}, headers={"if-match": '"7"'})
    assert_problem(conflict, 412, "edit_conflict")
    own = "version: 1\npromote: [{to: production, rules: [{owner: {}}]}]"
    shown = ok(door.call("PUT", f"{model}/policy", json={"text": own}))
    assert (shown["sources"], shown["own"]["text"]) == (["namespace 1", "model 1"], own)
    ok(door.call("POST", f"{model}/promotions", json={"version": 1, "stage": "staging"}), 201)
    body = {
        "text": story["text"].replace("staging, rules: []", "staging, rules: [{owner: {}}]"),
        "since": "2020-01-01T00:00:00Z",
    }
    tested = ok(door.call("POST", f"{at}/test", json=body))
    assert (tested["judged"], tested["differing"]) == (1, 1)
    own_test = {"text": own, "since": "2020-01-01T00:00:00Z"}
    assert ok(door.call("POST", f"{model}/policy/test", json=own_test))["differing"] == 0
    ok(door.call("DELETE", f"{model}/policy?reason=enough"))
    assert [v["text"] for v in ok(door.get(f"{model}/policy/history"))["items"]] == ["", own]
    assert_problem(door.call("DELETE", f"{model}/policy"), 404, "policy_not_found")
    ok(door.call("DELETE", at))
    assert len(ok(door.get(f"{at}/history?limit=1"))["items"]) == 1


def test_reports(door: Door, story: dict[str, Any]) -> None:
    at = f"{story['model']}/versions/1"
    for state in ("pending", "fail", "pass"):
        body = {"name": "ci/unit", "state": state, "url": "https://ci.example.org/1", "details": {"n": 1}}
        ok(door.call("POST", f"{at}/checks", json=body), 201)
    found = ok(door.get(f"{at}/checks"))["items"]
    assert [row["state"] for row in found] == ["pass", "fail", "pending"]
    for wrong in (
        {"name": "", "state": "pass"},
        {"name": "a", "state": "good"},
        {"name": "a", "state": "pass", "url": "file:///x"},
    ):
        assert_problem(door.call("POST", f"{at}/checks", json=wrong), 400, "invalid")
    ok(door.call("POST", f"{at}/evaluations", json={"metrics": {"f1": 0.5, "x": "NaN"}, "split": "test"}), 201)
    assert ok(door.get(f"{at}/evaluations"))["items"][0]["metrics"][0] == {"name": "f1", "value": 0.5}
    assert_problem(door.call("POST", f"{at}/evaluations", json={"metrics": {}}), 400, "invalid")
    assert_problem(
        door.call("POST", f"{at}/evaluations", json={"metrics": {"f1": "high"}}), 400, "invalid_fact"
    )
    signature = base64.b64encode(b"s" * 64).decode()
    ok(door.call("POST", f"{at}/attestations", json={"signature": signature}), 201)
    listed = ok(door.get(f"{at}/attestations"))
    assert listed["items"][0]["signature"] == signature
    assert b"modelyard.attestation.v1" in base64.b64decode(listed["statement"])
    assert_problem(door.call("POST", f"{at}/attestations", json={"signature": "x"}), 400, "invalid")
    assert_problem(door.get(f"{at}/card"), 404, "file_not_found")
    ok(door.call("PUT", f"{at}/card", json={"text": "# Purpose\nOne two."}))
    assert ok(door.get(f"{at}/card"))["sections"] == {"purpose": 2}
