"""Answers that are remembered are given only as long as they are true."""

from __future__ import annotations

from uuid import uuid4

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


def test_a_token_is_refused_from_its_end_on_however_much_is_registered(door: Door) -> None:
    model = f"{unique('remembered')}/scorer"
    person = door.registry.user()
    token = door.token_of(person)
    theirs = door.as_(token)
    for n in range(3):
        door.register(model, facts={"params": {"n": n}})
        assert theirs.get("whoami").json()["name"] == person.name
    mine = next(t for t in theirs.get("tokens").json()["items"])
    assert theirs.call("DELETE", f"tokens/{mine['id']}").status_code == 204
    door.register(model, facts={"params": {"n": 9}})
    assert_problem(theirs.get("whoami"), 401, "token_invalid")


def test_an_account_that_is_disabled_is_refused_at_once(door: Door) -> None:
    person = door.registry.user()
    theirs = door.as_(door.token_of(person))
    door.register(f"{unique('remembered')}/scorer")
    assert theirs.get("whoami").status_code == 200
    assert door.call("PATCH", f"accounts/{person.name}", json={"disabled": True}).status_code == 200
    assert theirs.get("whoami").status_code == 401


def test_an_account_that_is_disabled_logs_nothing_more(door: Door) -> None:
    person = door.registry.user()
    theirs = door.as_(door.token_of(person))
    run = uuid4().hex
    assert theirs.call("PUT", f"runs/{run}", json={"experiment": f"{person.name}/tries"}).status_code == 200
    for number in (1, 2):
        sent = {"writer": "w", "first": number, "frames": [{"params": {"n": number}}]}
        assert theirs.call("POST", f"runs/{run}/records", json=sent).status_code == 200
    assert door.call("PATCH", f"accounts/{person.name}", json={"disabled": True}).status_code == 200
    late = {"writer": "w", "first": 3, "frames": [{"params": {"n": 3}}]}
    assert theirs.call("POST", f"runs/{run}/records", json=late).status_code == 401
    assert door.get(f"runs/{run}").json()["params"] == {"n": 2}
