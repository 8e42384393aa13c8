"""Deleting an account: its name and addresses go everywhere but from where they are proved, and the log stays whole."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from modelyard.db.tables import metadata
from modelyard.domain.actor import Actor
from modelyard.registry.access import usecases as access
from modelyard.registry.audit import proofs
from tests.support.door import Door, assert_problem
from tests.support.registry import unique

PLACES_OF_NAMES = {
    ("events", "body"),
    ("events", "actor"),
    ("policies", "text"),
    ("effective_policies", "body"),
    ("promotions", "verdict"),
    ("promotions", "evidence"),
}
"""Where the name of a deleted account stays, as the how-to says."""


def ok(answer: Any, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


@pytest.fixture
def door(small_door: Door) -> Door:
    return small_door


class Person:
    """Somebody who did all that leaves a name behind."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.actor: Actor = door.registry.user(f"zz{unique('ann')}zz")
        self.name, self.email = self.actor.name, f"{unique('mail')}@example.org"
        self.shown = f"Ann {unique('Smith')}"
        edit = {"email": self.email, "display_name": self.shown}
        ok(door.call("PATCH", f"accounts/{self.name}", json=edit))
        self.space = unique("space")
        self.model = f"{self.space}/scorer"
        self.first = door.register(self.model)
        member = door.call("PUT", f"namespaces/{self.space}/members/{self.name}", json={"role": "owner"})
        ok(member, 204)
        self.group = door.registry.group(self.actor)
        self.theirs = door.as_(door.token_of(self.actor))
        theirs, model = self.theirs, self.model
        self.made = theirs.register(model)
        ok(theirs.call("PUT", f"models/{model}/aliases/champion", json={"version": 2}))
        ok(theirs.call("PUT", f"models/{model}/versions/2/keep", json={"reason": "trial"}))
        ok(theirs.call("PUT", f"models/{model}/versions/1/deprecation", json={"reason": "old"}))
        ok(theirs.call("PUT", f"models/{model}/versions/1/recall", json={"mode": "warn", "reason": "old"}))
        ok(theirs.call("PATCH", f"models/{model}", json={"owners": [self.name, "team"]}))
        ok(theirs.call("POST", f"models/{model}/comments", json={"body": "looks good"}), 201)
        ok(
            theirs.call("POST", f"models/{model}/versions/2/checks", json={"name": "unit", "state": "pass"}),
            201,
        )
        rules = f"[{{check: {{name: unit, by: [{self.name}]}}}}]"
        gates = (
            f"{{to: development, rules: {rules}}}, {{to: staging, rules: []}}, {{to: production, rules: []}}"
        )
        ok(
            door.call(
                "PUT", f"namespaces/{self.space}/policy", json={"text": f"version: 1\npromote: [{gates}]"}
            )
        )
        moved = theirs.call("POST", f"models/{model}/promotions", json={"version": 2, "stage": "development"})
        assert moved.json()["outcome"] == "done", moved.text
        target = {"kind": "webhook", "target": "https://example.org/hook", "namespace": self.space}
        ok(theirs.call("POST", "subscriptions", json=target), 201)

    def delete(self) -> Any:
        return ok(self.door.call("DELETE", f"accounts/{self.name}"))


def places_of(door: Door, text: str) -> set[tuple[str, str]]:
    """(table, column) of every stored text that contains it."""

    def find(tx: Any) -> set[tuple[str, str]]:
        return {
            (table.name, column.name)
            for table in metadata.sorted_tables
            for column in table.columns
            if isinstance(column.type, sa.Text)
            and tx.execute(
                sa.select(sa.literal(1)).where(column.contains(text, autoescape=True)).limit(1)
            ).first()
        }

    return door.registry.db.read(find)


def damage_of(door: Door) -> list[Any]:
    *_, last = proofs.check_log(door.registry.db, door.registry.root)
    assert last.finished
    return [*last.damage]


def test_nothing_personal_is_left_but_the_name_in_the_log(door: Door) -> None:
    person = Person(door)
    assert {("actors", "email"), ("events", "body")} <= places_of(door, person.email)
    left = person.delete()
    assert left["name"].startswith("deleted-")
    assert (left["display_name"], left["email"], left["disabled"]) == ("", None, True)
    assert left["deleted_at"] is not None
    assert places_of(door, person.email) == set()
    assert places_of(door, person.shown) == set()
    assert places_of(door, person.name) <= PLACES_OF_NAMES
    assert damage_of(door) == []


def test_what_it_did_is_shown_under_the_pseudonym(door: Door) -> None:
    person = Person(door)
    name = person.delete()["name"]
    model = person.model
    second = ok(door.get(f"models/{model}/versions/2"))
    assert (second["created_by"], second["kept"]["by"], second["kept"]["reason"]) == (name, name, "trial")
    first = ok(door.get(f"models/{model}/versions/1"))
    assert (first["deprecated"]["by"], first["recalled"]["by"]) == (name, name)
    assert ok(door.get(f"models/{model}"))["owners"] == [name, "team"]
    (comment,) = ok(door.get(f"models/{model}/comments"))["items"]
    assert comment["author"] == name
    aliases = ok(door.get(f"models/{model}/aliases"))["items"]
    assert {alias["updated_by"] for alias in aliases} == {name}
    assert person.name not in json.dumps(ok(door.get(f"namespaces/{person.space}/members")))
    assert_problem(door.get(f"accounts/{person.name}"), 404, "actor_not_found")
    (event,) = ok(door.get("audit/events?kind=actor.deleted&limit=1"))["items"]
    assert event["data"] == {"name": name, "tokens": 1, "roles": 1, "groups": 1, "subscriptions": 1}


def test_it_cannot_act_or_come_back(door: Door) -> None:
    person = Person(door)
    name = person.delete()["name"]
    assert person.theirs.get("whoami").status_code == 401
    assert ok(door.get(f"groups/{person.group}/members"))["items"] == []
    for method, path, body in (
        ("PATCH", f"accounts/{name}", {"disabled": False}),
        ("DELETE", f"accounts/{name}", None),
        ("POST", f"accounts/{name}/sign-in-link", None),
        ("POST", "tokens", {"name": "x", "owner": name}),
    ):
        options = {} if body is None else {"json": body}
        assert_problem(door.call(method, path, **options), 409, "conflict")
    assert_problem(door.call("POST", "accounts", json={"name": "deleted-12345"}), 400, "invalid_name")
    # Policies and the log may name it, so no one else gets the name.
    refused = assert_problem(door.call("POST", "accounts", json={"name": person.name}), 409, "conflict")
    assert "was deleted" in refused["detail"]


def test_tokens_that_were_made_with_its_tokens_end_too(door: Door) -> None:
    person = Person(door)
    ok(door.call("PATCH", f"accounts/{person.name}", json={"is_admin": True}))
    other = door.registry.user()
    admin = door.registry.find(person.name)
    mine = door.registry.db.write(lambda tx: access.create_token(tx, admin, name="mine"))
    with_mine = replace(admin, token_id=mine.id)
    made = door.registry.db.write(lambda tx: access.create_token(tx, with_mine, name="x", owner=other.name))
    assert door.as_(made.secret).get("whoami").status_code == 200
    person.delete()
    assert door.as_(made.secret).get("whoami").status_code == 401


def test_the_last_admin_and_the_last_owner_stay(door: Door) -> None:
    refused = assert_problem(door.call("DELETE", "accounts/root"), 409, "conflict")
    assert "modelyard user edit NAME --admin" in refused["fix"]
    person = Person(door)
    space = unique("alone")
    ok(person.theirs.call("POST", "namespaces", json={"name": space}), 201)
    refused = assert_problem(door.call("DELETE", f"accounts/{person.name}"), 409, "conflict")
    assert refused["detail"] == f"{person.name} is the last owner of {space}"
    assert f"modelyard namespace grant {space} NAME owner" in refused["fix"]
    other = door.registry.user()
    ok(door.call("PUT", f"namespaces/{space}/members/{other.name}", json={"role": "owner"}), 204)
    person.delete()


def test_people_delete_themselves_and_no_one_else(door: Door) -> None:
    one, other = door.registry.user(), door.registry.user()
    theirs = door.as_(door.token_of(one))
    assert_problem(theirs.call("DELETE", f"accounts/{other.name}"), 403, "denied")
    left = ok(theirs.call("DELETE", f"accounts/{one.name}"))
    (event,) = ok(door.get("audit/events?kind=actor.deleted&limit=1"))["items"]
    assert event["actor"] == left["name"] == event["data"]["name"]
    group = door.registry.group()
    assert_problem(door.call("DELETE", f"accounts/{group}"), 400, "invalid")
    assert damage_of(door) == []
