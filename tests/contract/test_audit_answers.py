"""An auditor's questions: what was checked, by which rules, who may read which part of the log; at the HTTP door."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from modelyard.sdk.audit import verify_log
from tests.support.door import Door, assert_problem
from tests.support.registry import unique

POLICY = """\
version: 1
promote:
  - {to: development, rules: []}
  - {to: staging, rules: []}
  - {to: production, rules: [{metric: {name: f1, min: 0.7}}]}
"""


def ok(answer: Any) -> Any:
    assert answer.status_code < 300, answer.text[:800]
    return answer.json() if answer.content else None


@pytest.fixture
def space(door: Door) -> str:
    """One version that passed its gate, and one that did not; a model that a member may not see."""
    name = unique("audited")
    ok(door.call("POST", "namespaces", json={"name": name}))
    ok(door.call("PUT", f"namespaces/{name}/policy", json={"text": POLICY}))
    for f1 in (0.9, 0.1):
        number = door.register(f"{name}/scorer", facts={"metrics": {"f1": f1}})["version"]
        door.call("POST", f"models/{name}/scorer/promotions", json={"version": number, "stage": "production"})
    door.register(f"{name}/secret")
    return name


def log(door: Door, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ok(door.get("audit/events", params=query))["items"]
    return found


def member(door: Door, space: str, role: str) -> Door:
    actor = door.registry.user()
    ok(door.call("PUT", f"namespaces/{space}/members/{actor.name}", json={"role": role}))
    return door.as_(door.token_of(actor))


def test_the_export_says_what_was_checked_by_which_rules(door: Door, space: str, tmp_path: Path) -> None:
    answer = door.get("audit/export", params={"namespace": space})
    events = [json.loads(line) for line in answer.content.splitlines()[1:]]
    by_kind = {event["kind"]: event for event in events if "kind" in event}
    policy = by_kind["policy.changed"]["data"]
    assert policy["text"] == POLICY
    promoted, refused = by_kind["version.promoted"]["data"], by_kind["promotion.refused"]["data"]
    for data, outcome, value in ((promoted, "pass", "0.9"), (refused, "fail", "0.1")):
        # Which text, which rules with which limits, and what was measured, by whom.
        assert data["text_digests"] == [policy["text_digest"]]
        assert data["effective_digest"] != policy["text_digest"]
        assert data["gate"]["rules"][0]["metric"] == {"name": "f1", "min": 0.7}
        (result,) = data["verdict"]["results"]
        assert (result["outcome"], result["needed"]) == (outcome, "f1 >= 0.7")
        assert f"f1 = {value}, reported by root, the version's author" in result["measured"]
    file = tmp_path / "log.jsonl"
    file.write_bytes(answer.content)
    report = verify_log(file)
    assert (report.ok, report.is_complete) == (True, False)


def test_an_auditor_of_a_namespace_reads_its_log_and_no_other(door: Door, space: str) -> None:
    auditor = member(door, space, "auditor")
    assert {event["namespace"] for event in log(auditor, namespace=space)} == {space}
    exported = ok_lines(auditor.get("audit/export", params={"namespace": space}))
    assert len(exported) > 5
    other = unique("other")
    ok(door.call("POST", "namespaces", json={"name": other}))
    for query in ({}, {"namespace": other}):
        for path in ("audit/events", "audit/export"):
            assert auditor.get(path, params=query).status_code in (403, 404)
    assert auditor.call("POST", "audit/check").status_code == 403
    report = {"name": "unit", "state": "pass"}
    assert auditor.call("POST", f"models/{space}/scorer/versions/1/checks", json=report).status_code == 403


def ok_lines(answer: Any) -> list[bytes]:
    assert answer.status_code == 200, answer.text[:500]
    lines: list[bytes] = answer.content.splitlines()
    return lines


def test_visibility_opens_no_log(door: Door, space: str) -> None:
    ok(door.call("PATCH", f"namespaces/{space}", json={"visibility": "public"}))
    stranger = door.as_(door.token_of(door.registry.user()))
    assert stranger.get("audit/events", params={"namespace": space}).status_code == 403
    assert stranger.get("audit/events", params={"namespace": space}, token=None).status_code == 401


def test_events_of_a_model_that_one_may_not_see_are_left_out(door: Door, space: str) -> None:
    actor = door.registry.user()
    ok(door.call("PUT", f"namespaces/{space}/members/{actor.name}", json={"role": "auditor"}))
    ok(door.call("PUT", f"models/{space}/secret/members/{actor.name}", json={"role": "none"}))
    seen = log(door.as_(door.token_of(actor)), namespace=space, kind="version.registered")
    assert {event["model"] for event in seen} == {f"{space}/scorer"}


def test_filters(door: Door, space: str) -> None:
    kinds = {event["kind"] for event in log(door, namespace=space, kind="promotion.*")}
    assert kinds == {"promotion.opened", "promotion.refused"}
    assert len(log(door, model=f"{space}/scorer", kind=["version.promoted", "model.created"])) == 2
    assert log(door, namespace=space, actor="root")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"kind": "promotion"}, "promotion."),
        ({"kind": "promotions.*"}, "promotion.opened"),
        ({"kind": ["version.promoted", "nothing"]}, "Known are"),
        ({"actor": "nobody-of-that-name"}, "modelyard user ls"),
    ],
)
def test_a_filter_that_means_nothing_is_refused_with_what_there_is(
    door: Door, query: dict[str, Any], words: str
) -> None:
    for path in ("audit/events", "audit/export"):
        body = assert_problem(door.get(path, params=query), 400, "invalid")
        assert words in body["fix"], body


def test_an_answer_without_events_says_how_many_there_are(door: Door, space: str) -> None:
    empty = ok(door.get("audit/events", params={"model": f"{space}/scorer", "kind": "model.deleted"}))
    assert (empty["items"], empty["looked_at"]) == ([], len(log(door, model=f"{space}/scorer")))
    whole = ok(door.get("audit/events", params={"since": "2099-01-01T00:00:00Z"}))
    assert whole["looked_at"] > empty["looked_at"]
    assert ok(door.get("audit/events"))["looked_at"] is None
