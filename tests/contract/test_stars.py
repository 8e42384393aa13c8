"""Starred models, and what waits for an account, through the native door, on both databases."""

from __future__ import annotations

from typing import Any

import pytest

from modelyard.registry.stars import usecases as stars
from tests.support.door import Door, assert_problem
from tests.support.registry import unique


def ok(answer: Any, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text[:800]
    return answer.json() if answer.content else None


@pytest.fixture
def space(door: Door) -> str:
    name = unique("starry")
    ok(door.call("POST", "namespaces", json={"name": name}), 201)
    door.register(f"{name}/scorer")
    return name


def member(door: Door, space: str, role: str) -> Door:
    actor = door.registry.user()
    ok(door.call("PUT", f"namespaces/{space}/members/{actor.name}", json={"role": role}), 204)
    return door.as_(door.token_of(actor))


def test_a_star_is_each_accounts_own(door: Door, space: str) -> None:
    reader = member(door, space, "reader")
    door.register(f"{space}/another")
    for name in ("scorer", "another", "scorer"):
        ok(reader.call("PUT", f"models/{space}/{name}/star"), 204)
    assert ok(reader.get("stars"))["items"] == [f"{space}/another", f"{space}/scorer"]
    assert f"{space}/scorer" not in ok(door.get("stars"))["items"]
    for _ in range(2):
        ok(reader.call("DELETE", f"models/{space}/scorer/star"), 204)
    assert ok(reader.get("stars"))["items"] == [f"{space}/another"]
    # Under another name it is the same model.
    ok(door.call("POST", f"models/{space}/another/rename", json={"to": "renamed"}))
    assert ok(reader.get("stars"))["items"] == [f"{space}/renamed"]


def test_a_model_that_may_no_longer_be_read_is_not_listed(door: Door, space: str) -> None:
    actor = door.registry.user()
    path = f"namespaces/{space}/members/{actor.name}"
    ok(door.call("PUT", path, json={"role": "reader"}), 204)
    reader = door.as_(door.token_of(actor))
    ok(reader.call("PUT", f"models/{space}/scorer/star"), 204)
    ok(door.call("DELETE", path), 204)
    assert ok(reader.get("stars"))["items"] == []
    assert_problem(reader.call("DELETE", f"models/{space}/scorer/star"), 404, "model_not_found")


def test_strangers_have_no_stars_and_no_needs(door: Door, space: str) -> None:
    ok(door.call("PATCH", f"models/{space}/scorer", json={"visibility": "public"}))
    assert_problem(door.call("PUT", f"models/{space}/scorer/star", token=None), 401, "unauthenticated")
    for path in ("stars", "needs"):
        assert_problem(door.get(path, token=None), 401, "unauthenticated")


def test_stars_are_limited(door: Door, space: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stars, "MOST_STARS", 1)
    reader = member(door, space, "reader")
    door.register(f"{space}/another")
    ok(reader.call("PUT", f"models/{space}/scorer/star"), 204)
    ok(reader.call("PUT", f"models/{space}/scorer/star"), 204)
    assert_problem(reader.call("PUT", f"models/{space}/another/star"), 400, "invalid")


def needs_of(door: Door, space: str) -> list[tuple[str, str]]:
    found = ok(door.get("needs?limit=100"))["items"]
    return [(each["kind"], each["words"]) for each in found if each["model"].startswith(f"{space}/")]


def test_gaps_and_gates_wait_for_those_who_can_close_them(door: Door, space: str) -> None:
    maintainer, reader = member(door, space, "maintainer"), member(door, space, "reader")
    assert needs_of(maintainer, space) == [("gap", f"{space}/scorer has no owner, no card and no policy")]
    assert needs_of(reader, space) == []
    policy = (
        "version: 1\nstages: [staging, production]\npromote:\n  - {to: staging, rules: []}\n"
        "  - {to: production, rules: [{metric: {name: f1, min: 0.9}}]}\n"
    )
    ok(maintainer.call("PUT", f"namespaces/{space}/policy", json={"text": policy}))
    name = ok(maintainer.get("whoami"))["name"]
    ok(maintainer.call("PATCH", f"models/{space}/scorer", json={"owners": [name]}))
    assert needs_of(maintainer, space) == [("gap", f"{space}/scorer has no card")]
    asked = {"stage": "production", "version": 1}
    ok(maintainer.call("POST", f"models/{space}/scorer/promotions", json=asked), 409)
    found = needs_of(maintainer, space)
    assert found[0] == ("gate", f"{space}/scorer v1 does not pass the gate to production"), found
    assert needs_of(reader, space) == []
    ok(reader.call("PUT", f"models/{space}/scorer/star"), 204)
    assert [kind for kind, _ in needs_of(reader, space)] == ["gate"]
