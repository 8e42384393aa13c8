"""Every verb × role through the native door: who may not see is told "not found", who may not do "denied"."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from modelyard.domain.actor import Role
from tests.support.door import Door
from tests.support.registry import unique

NOBODY, STRANGER = "anonymous", "stranger"
ROLES = [NOBODY, STRANGER, "auditor", "reader", "contributor", "maintainer", "owner", "admin"]


@dataclass(frozen=True)
class Verb:
    """One request; `least` is the role from which on it succeeds."""

    name: str
    least: str
    method: str
    path: str
    body: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    hidden: bool = True
    """The person who may not read the model is told that it is not there."""


def constant(**body: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda _: body


def registration(here: dict[str, Any]) -> dict[str, Any]:
    return {"files": [here["file"]], "force_new": True}


TO_STAGING = {"version": 1, "stage": "staging"}
CHECK = {"name": "unit-tests", "state": "pass"}
ENTRY = {"name": "transactions", "digest": "sha256:" + "a" * 64}
OPEN_POLICY = (
    "version: 1\npromote: [{to: development, rules: []}, {to: staging, rules: []}, {to: production, rules: []}]"
)

VERBS = [
    Verb("resolve", "auditor", "GET", "resolve?ref={model}@champion"),
    Verb("show model", "auditor", "GET", "models/{model}"),
    Verb("list versions", "auditor", "GET", "models/{model}/versions"),
    Verb("show version", "auditor", "GET", "models/{model}/versions/1"),
    Verb("show manifest", "auditor", "GET", "models/{model}/versions/1/manifest"),
    Verb("show record", "auditor", "GET", "models/{model}/versions/1/record"),
    Verb("list files", "auditor", "GET", "models/{model}/versions/1/files"),
    Verb("pull", "reader", "GET", "models/{model}/versions/1/files/{path}"),
    Verb("verify", "auditor", "POST", "models/{model}/versions/1/verify"),
    Verb("history", "auditor", "GET", "models/{model}/history"),
    Verb("aliases", "auditor", "GET", "models/{model}/aliases"),
    Verb("alias moves", "auditor", "GET", "models/{model}/aliases/champion/history"),
    Verb("members of model", "auditor", "GET", "models/{model}/members"),
    Verb("show namespace", "auditor", "GET", "namespaces/{space}"),
    Verb("members", "auditor", "GET", "namespaces/{space}/members"),
    Verb("register", "contributor", "POST", "models/{model}/versions", registration),
    Verb("create model", "contributor", "POST", "models", lambda here: {"name": here["model"] + "-new"}),
    Verb("edit model", "contributor", "PATCH", "models/{model}", constant(description="x")),
    Verb("edit version", "contributor", "PATCH", "models/{model}/versions/1", constant(description="x")),
    Verb("move alias", "contributor", "PUT", "models/{model}/aliases/champion", constant(version=2)),
    Verb("remove alias", "contributor", "DELETE", "models/{model}/aliases/champion"),
    Verb("stages", "auditor", "GET", "models/{model}/stages"),
    Verb("stage history", "auditor", "GET", "models/{model}/stages/staging/history"),
    Verb("promotions", "auditor", "GET", "models/{model}/promotions"),
    Verb("policy", "auditor", "GET", "models/{model}/policy"),
    Verb("checks", "auditor", "GET", "models/{model}/versions/1/checks"),
    Verb("lineage", "auditor", "GET", "lineage?ref={model}:1"),
    Verb("datasets", "auditor", "GET", "namespaces/{space}/datasets"),
    Verb("push dataset", "contributor", "POST", "namespaces/{space}/datasets", constant(entry=ENTRY)),
    Verb("recall", "maintainer", "PUT", "models/{model}/versions/1/recall", constant(reason="x")),
    Verb("lift recall", "maintainer", "DELETE", "models/{model}/versions/1/recall"),
    Verb("dry run", "auditor", "POST", "models/{model}/promotions", constant(**TO_STAGING, dry_run=True)),
    Verb("ask", "contributor", "POST", "models/{model}/promotions", constant(**TO_STAGING, request=True)),
    Verb("report check", "contributor", "POST", "models/{model}/versions/1/checks", constant(**CHECK)),
    Verb(
        "report evaluation",
        "contributor",
        "POST",
        "models/{model}/versions/1/evaluations",
        constant(metrics={"f1": 0.5}),
    ),
    Verb(
        "attest",
        "contributor",
        "POST",
        "models/{model}/versions/1/attestations",
        constant(signature="A" * 86 + "=="),
    ),
    Verb("set card", "contributor", "PUT", "models/{model}/versions/1/card", constant(text="# Purpose")),
    Verb("promote", "maintainer", "POST", "models/{model}/promotions", constant(**TO_STAGING)),
    Verb("roll back", "maintainer", "POST", "models/{model}/stages/staging/rollback", constant(reason="x")),
    Verb("demote", "maintainer", "POST", "models/{model}/stages/staging/demote", constant(reason="x")),
    Verb("deprecate", "maintainer", "PUT", "models/{model}/versions/1/deprecation", constant(reason="x")),
    Verb("set policy", "maintainer", "PUT", "models/{model}/policy", constant(text=OPEN_POLICY)),
    Verb("archive version", "maintainer", "PATCH", "models/{model}/versions/2", constant(archived=True)),
    Verb("archive model", "maintainer", "PATCH", "models/{model}", constant(archived=True)),
    Verb(
        "rename", "maintainer", "POST", "models/{model}/rename", lambda here: {"to": here["name"] + "-renamed"}
    ),
    Verb("edit namespace", "maintainer", "PATCH", "namespaces/{space}", constant(description="x")),
    Verb("share", "owner", "PATCH", "models/{model}", constant(visibility="signed-in")),
    Verb("delete version", "owner", "DELETE", "models/{model}/versions/2"),
    Verb("delete model", "owner", "DELETE", "models/{other}"),
    Verb(
        "record image",
        "contributor",
        "PUT",
        "models/{model}/versions/1/image",
        constant(digest="sha256:" + "1" * 64),
    ),
    Verb("keep", "maintainer", "PUT", "models/{model}/versions/1/keep", constant(reason="x")),
    Verb("end keep", "maintainer", "DELETE", "models/{model}/versions/1/keep?reason=x"),
    Verb("show retention", "auditor", "GET", "namespaces/{space}/retention"),
    Verb("set retention", "owner", "PUT", "namespaces/{space}/retention", constant(keep_versions=1000)),
    Verb("plan retention", "owner", "GET", "namespaces/{space}/retention/plan"),
    Verb("run retention", "owner", "POST", "namespaces/{space}/retention/run"),
    Verb("remove retention", "owner", "DELETE", "namespaces/{space}/retention"),
    Verb("grant", "owner", "PUT", "namespaces/{space}/members/{guest}", constant(role="reader")),
    Verb("grant on model", "owner", "PUT", "models/{model}/members/{guest}", constant(role="reader")),
    Verb("revoke", "owner", "DELETE", "namespaces/{space}/members/{guest}"),
    Verb("collect", "admin", "POST", "admin/gc", constant(dry_run=True), hidden=False),
    Verb("scrub", "admin", "POST", "admin/scrub", hidden=False),
    Verb(
        "make account", "admin", "POST", "accounts", lambda here: {"name": here["name"] + "-new"}, hidden=False
    ),
    Verb("link for others", "admin", "POST", "accounts/root/sign-in-link", hidden=False),
    Verb("audit log", "admin", "GET", "audit/events", hidden=False),
    Verb("all tokens", "admin", "GET", "tokens?everybody=true", hidden=False),
    Verb("token for others", "admin", "POST", "tokens", constant(name="x", owner="root"), hidden=False),
]


@dataclass
class Team:
    space: str
    tokens: dict[str, str | None]
    guest: str


@pytest.fixture(scope="module")
def door(small_door: Door) -> Door:
    return small_door


@pytest.fixture(scope="module")
def team(door: Door) -> Team:
    """One namespace, and somebody in every role on it."""
    space = unique("space")
    assert door.call("POST", "namespaces", json={"name": space}).status_code == 201
    tokens: dict[str, str | None] = {NOBODY: None, "admin": door.token}
    for role in ROLES[1:-1]:
        person = door.registry.user()
        tokens[role] = door.token_of(person)
        if role != STRANGER:
            path = f"namespaces/{space}/members/{person.name}"
            assert door.call("PUT", path, json={"role": role}).status_code == 204
    return Team(space, tokens, door.registry.user().name)


def expected(verb: Verb, role: str) -> int:
    if ROLES.index(role) >= ROLES.index(verb.least):
        return 0
    if role == NOBODY:
        return 401
    return 404 if role == STRANGER and verb.hidden else 403


@pytest.mark.product(2)
@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_verb_by_role(door: Door, team: Team, verb: Verb) -> None:
    outcomes: dict[str, int] = {}
    for role in ROLES:
        name = unique("m")
        model = f"{team.space}/{name}"
        here = {
            "space": team.space,
            "model": model,
            "name": name,
            "other": f"{model}-other",
            "guest": team.guest,
            "file": door.send(b"weights"),
        }
        here["path"] = here["file"]["path"]
        _fill(door, here, verb)
        # Sent before, so that the person who may register also has the bytes.
        token = team.tokens[role]
        if token is not None and verb.name == "register":
            door.as_(token).send(b"weights")
        before = door.rows()
        body = verb.body(here) if verb.body else None
        answer = door.call(verb.method, verb.path.format(**here), token=token, json=body)
        outcomes[role] = 0 if answer.status_code < 300 else answer.status_code
        if answer.status_code >= 300:
            assert answer.json()["fix"]
            assert door.rows() == before, f"{role} left something behind"
    assert outcomes == {role: expected(verb, role) for role in ROLES}


def _fill(door: Door, here: dict[str, Any], verb: Verb) -> None:
    """Only what the verb needs: two versions with an alias, or another model."""
    if "{other}" in verb.path:
        door.call("POST", "models", json={"name": here["other"]})
    elif "{model}" in verb.path:
        file = {"files": [here["file"]]}
        door.call("POST", f"models/{here['model']}/versions", json={**file, "aliases": ["champion"]})
        if "2" in verb.path or verb.name in ("move alias", "roll back"):
            door.call("POST", f"models/{here['model']}/versions", json={**file, "force_new": True})
        if verb.name in ("roll back", "demote"):
            for number in (1, 2):
                body = {"version": number, "stage": "staging"}
                door.call("POST", f"models/{here['model']}/promotions", json=body)


def test_the_roles_are_those_of_the_domain() -> None:
    assert ROLES[2:] == [role.word for role in Role if role is not Role.NONE]


def test_public_models_are_read_by_everybody_and_changed_by_nobody(door: Door, team: Team) -> None:
    model = f"{team.space}/{unique('public')}"
    made = door.register(model, aliases=["champion"])
    assert door.call("PATCH", f"models/{model}", json={"visibility": "public"}).status_code == 200
    for token in (None, team.tokens[STRANGER]):
        assert door.get(f"resolve?ref={model}@champion", token=token).status_code == 200
        files = door.get(f"models/{model}/versions/1/files", token=token).json()["items"]
        got = door.get(f"models/{model}/versions/1/files/{files[0]['path']}", token=token)
        assert len(got.content) == made["size_bytes"]
        found = door.get(f"models?namespace={team.space}", token=token).json()["items"]
        assert model in [row["name"] for row in found]
        refused = door.call("PATCH", f"models/{model}", token=token, json={"description": "x"})
        assert refused.status_code == (401 if token is None else 403)


def test_lists_show_only_what_may_be_seen(door: Door, team: Team) -> None:
    model = f"{team.space}/{unique('private')}"
    door.register(model)
    for role in ROLES:
        answer = door.get(f"models?namespace={team.space}&limit=1000&total=true", token=team.tokens[role])
        names = [row["name"] for row in answer.json()["items"]]
        assert answer.json()["total"] == len(names)
        assert (model in names) == (role not in (NOBODY, STRANGER))
        spaces = door.get("namespaces?limit=1000", token=team.tokens[role]).json()["items"]
        assert (team.space in [row["name"] for row in spaces]) == (role not in (NOBODY, STRANGER))
