"""Comments, watches and notifications through the native door, on both databases."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa

from modelyard.api import comments as routes
from modelyard.registry.comments import usecases as comments
from tests.support.door import Door, assert_problem
from tests.support.registry import unique


@dataclass
class Team:
    door: Door
    """As the namespace's owner."""
    space: str
    people: dict[str, Door]
    names: dict[str, str]

    @property
    def at(self) -> str:
        return f"models/{self.space}/scorer"

    def say(self, who: str, body: str, **about: Any) -> dict[str, Any]:
        found: dict[str, Any] = ok(
            self.people[who].call("POST", f"{self.at}/comments", json={"body": body, **about}), 201
        )
        return found

    def told(self, who: str) -> list[tuple[str, str]]:
        """(reason, kind of event) of what this person has not read, oldest first."""
        while comments.derive_notifications(self.door.registry.db):
            pass
        found = ok(self.people[who].get("notifications?unread=true"))["items"]
        return [(each["reason"], each["event"]["kind"]) for each in found][::-1]


def ok(answer: Any, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text[:800]
    return answer.json() if answer.content else None


@pytest.fixture
def team(door: Door) -> Team:
    while comments.derive_notifications(door.registry.db):
        pass
    space = unique("talk")
    ok(door.call("POST", "namespaces", json={"name": space}), 201)
    people, names = {}, {}
    for role in ("reader", "contributor", "maintainer", "none"):
        actor = door.registry.user()
        if role != "none":
            ok(door.call("PUT", f"namespaces/{space}/members/{actor.name}", json={"role": role}), 204)
        people[role], names[role] = door.as_(door.token_of(actor)), actor.name
    door.register(f"{space}/scorer")
    return Team(door, space, people, names)


def test_every_route_is_in_the_description(door: Door) -> None:
    paths = door.get("openapi.json").json()["paths"]
    for spec in routes.table.specs:
        assert spec.method.lower() in paths[re.sub(r":\w+}", "}", spec.path)], spec.operation


def test_a_comment_and_its_traces(team: Team) -> None:
    made = team.say("reader", "**Recall** dropped", version=1)
    assert (made["body"], made["version"], made["author"]) == ("**Recall** dropped", 1, team.names["reader"])
    one = f"{team.at}/comments/{made['id']}"
    reader, maintainer = team.people["reader"], team.people["maintainer"]
    edited = ok(reader.call("PATCH", one, json={"body": "Recall is fine"}, headers={"if-match": '"1"'}))
    assert (edited["body"], edited["revision"]) == ("Recall is fine", 2)
    assert edited["edited_at"] is not None
    stale = reader.call("PATCH", one, json={"body": "x"}, headers={"if-match": '"1"'})
    assert_problem(stale, 412, "edit_conflict")
    assert_problem(maintainer.call("PATCH", one, json={"body": "mine"}), 403, "denied")
    history = ok(team.door.get(f"{one}/history"))["items"]
    assert [(h["revision"], h["body"]) for h in history] == [(1, "**Recall** dropped"), (2, "Recall is fine")]
    assert_problem(team.people["contributor"].call("DELETE", one), 403, "denied")
    ok(maintainer.call("DELETE", one), 204)
    ok(maintainer.call("DELETE", one), 204)
    left = ok(team.door.get(f"{team.at}/comments"))["items"]
    assert [(c["body"], c["deleted_by"]) for c in left] == [("", team.names["maintainer"])]
    assert {h["body"] for h in ok(team.door.get(f"{one}/history"))["items"]} == {""}
    assert_problem(reader.call("PATCH", one, json={"body": "again"}), 404, "comment_not_found")
    logged = ok(
        team.door.get(f"{team.at}/history?kind=comment.written&kind=comment.edited&kind=comment.deleted")
    )
    kinds = [event["kind"] for event in logged["items"]]
    assert kinds == ["comment.deleted", "comment.edited", "comment.written"]
    stored = team.door.registry.db.read(
        lambda tx: tx.rows(sa.text("SELECT body FROM events WHERE kind LIKE 'comment%'"))  # type: ignore[arg-type]
    )
    assert "Recall" not in str(stored)


def test_markdown_is_shown_without_what_could_harm(team: Team) -> None:
    made = team.say(
        "reader", "**Recall** <script>x()</script> [a](javascript:x) ![i](https://spy.example/i.png)"
    )
    assert "<strong>Recall</strong>" in made["html"]
    for harm in ("<script", 'href="javascript', "<img"):
        assert harm not in made["html"]
    assert made["body"].startswith("**Recall** <script>")


def test_pages_and_filters(team: Team) -> None:
    for n in range(3):
        team.say("reader", f"model {n}")
    team.say("reader", "version", version=1)
    first = ok(team.door.get(f"{team.at}/comments?limit=2"))
    rest = ok(team.door.get(f"{team.at}/comments?limit=2&cursor={first['next_cursor']}"))
    assert [c["body"] for c in first["items"] + rest["items"]] == ["model 0", "model 1", "model 2", "version"]
    assert [c["body"] for c in ok(team.door.get(f"{team.at}/comments?version=1"))["items"]] == ["version"]


def test_who_may(team: Team) -> None:
    made = team.say("contributor", "hello")
    outsider = team.people["none"]
    for method, path, body in (
        ("GET", "comments", None),
        ("POST", "comments", {"body": "x"}),
        ("PATCH", f"comments/{made['id']}", {"body": "x"}),
        ("DELETE", f"comments/{made['id']}", None),
        ("GET", f"comments/{made['id']}/history", None),
        ("PUT", "watch", None),
        ("DELETE", "watch", None),
    ):
        options = {} if body is None else {"json": body}
        answer = outsider.call(method, f"{team.at}/{path}", **options)
        assert_problem(answer, 404, "model_not_found")
    ok(team.door.call("PATCH", team.at, json={"visibility": "signed-in"}))
    assert ok(outsider.get(f"{team.at}/comments"))["items"]
    assert_problem(team.door.get("notifications", token=None), 401, "unauthenticated")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"body": ""}, 400),
        ({"body": "x" * 20_001}, 400),
        ({"body": "x", "version": 99}, 404),
        ({"body": "x", "promotion": 10**9}, 404),
    ],
)
def test_wrong_comments(team: Team, body: dict[str, Any], status: int) -> None:
    answer = team.people["reader"].call("POST", f"{team.at}/comments", json=body)
    assert answer.status_code == status, answer.text


def test_watchers_and_the_mentioned_are_notified(team: Team) -> None:
    names = team.names
    ok(team.people["maintainer"].call("PUT", f"{team.at}/watch"), 204)
    assert ok(team.people["maintainer"].get("watches"))["items"] == [f"{team.space}/scorer"]
    made = team.say("reader", f"@{names['contributor']} and @{names['none']}: look, @nobody-here")
    assert team.told("maintainer") == [("watch", "comment.written")]
    assert team.told("contributor") == [("mention", "comment.written")]
    # What one may not read one is not told of, and no one hears of themselves.
    assert team.told("none") == []
    assert team.told("reader") == []
    team.door.call("PUT", f"{team.at}/aliases/champion", json={"version": 1})
    # The person who wrote a comment watches the model from then on.
    assert team.told("reader") == [("watch", "alias.moved")]
    assert team.told("contributor") == [("mention", "comment.written")]
    ok(
        team.people["reader"].call(
            "PATCH",
            f"{team.at}/comments/{made['id']}",
            json={"body": f"@{names['contributor']} @{names['maintainer']}"},
        )
    )
    assert team.told("maintainer")[-1] == ("mention", "comment.edited")
    assert team.told("contributor") == [("mention", "comment.written")]
    ok(team.people["maintainer"].call("DELETE", f"{team.at}/watch"), 204)
    before = len(team.told("maintainer"))
    team.door.call("PUT", f"{team.at}/aliases/canary", json={"version": 1})
    assert len(team.told("maintainer")) == before


def test_a_mentioned_group_is_its_members(team: Team) -> None:
    group = team.door.registry.group()
    ok(team.door.call("PUT", f"groups/{group}/members/{team.names['contributor']}"), 204)
    ok(team.door.call("PUT", f"groups/{group}/members/{team.names['none']}"), 204)
    team.say("reader", f"@{group} please vote")
    assert team.told("contributor") == [("mention", "comment.written")]
    assert team.told("none") == []


def test_reviewers_hear_that_a_promotion_waits_for_them(team: Team) -> None:
    group = team.door.registry.group()
    # A voter needs no role on the namespace.
    ok(team.door.call("PUT", f"groups/{group}/members/{team.names['none']}"), 204)
    policy = (
        "version: 1\npromote:\n  - {to: development, rules: []}\n"
        f"  - {{to: staging, rules: [{{approvals: {{group: {group}}}}}]}}\n"
        "  - {to: production, rules: []}\n"
    )
    ok(team.door.call("PUT", f"namespaces/{team.space}/policy", json={"text": policy, "reason": "start"}))
    team.told("none")
    team.door.call("POST", f"{team.at}/promotions", json={"version": 1, "stage": "staging"})
    assert team.told("none") == [("review", "promotion.opened")]
    found = ok(team.people["none"].get("notifications"))["items"][0]
    assert found["event"]["data"]["reviewers"] == [group]
    assert team.told("contributor") == []


def test_reading_and_losing_the_right_to(team: Team) -> None:
    watcher = team.people["contributor"]
    ok(watcher.call("PUT", f"{team.at}/watch"), 204)
    for n in range(3):
        team.say("reader", f"number {n}")
    team.told("contributor")
    found = ok(watcher.get("notifications?limit=2"))
    assert len(found["items"]) == 2
    rest = ok(watcher.get(f"notifications?limit=2&cursor={found['next_cursor']}"))
    assert len(rest["items"]) == 1
    assert ok(watcher.call("POST", "notifications/read", json={"up_to": rest["items"][0]["id"]})) == {
        "count": 1
    }
    assert len(team.told("contributor")) == 2
    assert ok(watcher.call("POST", "notifications/read", json={})) == {"count": 2}
    assert team.told("contributor") == []
    assert [n["read"] for n in ok(watcher.get("notifications"))["items"]] == [True] * 3
    ok(team.door.call("DELETE", f"namespaces/{team.space}/members/{team.names['contributor']}"), 204)
    assert ok(watcher.get("notifications"))["items"] == []
    assert ok(watcher.get("watches"))["items"] == []


@pytest.mark.parametrize("visibility", ["signed-in", "public"])
def test_signed_in_readers_of_a_shared_model_may_comment(team: Team, visibility: str) -> None:
    post = {"json": {"body": "Thank you"}}
    refused = team.people["none"].call("POST", f"{team.at}/comments", **post)
    assert refused.status_code == 404
    ok(team.door.call("PATCH", team.at, json={"visibility": visibility}))
    made = ok(team.people["none"].call("POST", f"{team.at}/comments", **post), 201)
    ok(team.people["none"].call("PATCH", f"{team.at}/comments/{made['id']}", json={"body": "Thanks"}))
    assert team.door.call("POST", f"{team.at}/comments", token=None, **post).status_code == 401
