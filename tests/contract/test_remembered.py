"""Answers that are remembered are given only as long as they are true."""

from __future__ import annotations

from tests.support.door import Door, assert_problem
from tests.support.registry import unique


def test_a_resolved_reference_follows_every_change(door: Door) -> None:
    space = unique("remembered")
    assert door.call("POST", "namespaces", json={"name": space}).status_code == 201
    person = door.registry.user()
    reader = door.as_(door.token_of(person))
    member = f"namespaces/{space}/members/{person.name}"
    door.register(f"{space}/scorer", facts={"params": {"n": 1}})
    door.register(f"{space}/scorer", facts={"params": {"n": 2}})
    door.call("PUT", f"models/{space}/scorer/aliases/champion", json={"version": 1})
    asked = f"resolve?ref={space}/scorer@champion"
    assert_problem(reader.get(asked), 404, "model_not_found")
    door.call("PUT", member, json={"role": "reader"})
    first, again = reader.get(asked), reader.get(asked)
    assert first.json() == again.json()
    assert first.json()["version"] == 1
    assert again.headers["etag"] == first.headers["etag"]
    assert reader.get(asked, headers={"if-none-match": first.headers["etag"]}).status_code == 304
    door.call("PUT", f"models/{space}/scorer/aliases/champion", json={"version": 2})
    assert reader.get(asked).json()["version"] == 2
    assert reader.get(asked).json()["version"] == 2
    door.call("DELETE", member)
    assert_problem(reader.get(asked), 404, "model_not_found")


def test_what_one_may_see_is_not_shown_to_another(door: Door) -> None:
    space = unique("remembered")
    door.call("POST", "namespaces", json={"name": space})
    door.register(f"{space}/scorer")
    asked = f"resolve?ref={space}/scorer:1"
    assert door.get(asked).status_code == 200
    stranger = door.as_(door.token_of(door.registry.user()))
    assert_problem(stranger.get(asked), 404, "model_not_found")
    assert door.get(asked).status_code == 200
