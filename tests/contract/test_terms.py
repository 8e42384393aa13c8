"""Terms of use: no byte of a model is given to an account that did not accept its present terms."""

from __future__ import annotations

from typing import Any

import pytest

from modelyard.domain.actor import Actor
from modelyard.domain.digest import Digest
from tests.contract.test_runs import Writer, start
from tests.support.door import Door, assert_problem
from tests.support.registry import unique

TERMS = "# Terms\n\nFor research only."


def ok(answer: Any, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json()


def grant(door: Door, space: str, actor: Actor, role: str) -> None:
    answer = door.call("PUT", f"namespaces/{space}/members/{actor.name}", json={"role": role})
    assert answer.status_code in (200, 204), answer.text


class Bound:
    """A model with terms: its namespace, its file, and a reader who accepted nothing."""

    def __init__(self, door: Door, model: str) -> None:
        self.door, self.model, self.space = door, model, model.partition("/")[0]
        self.data = unique("weights").encode()
        self.made = door.register(model, self.data)
        self.terms = ok(door.call("PUT", f"models/{model}/terms", json={"text": TERMS}))
        self.reader = door.registry.user()
        grant(door, self.space, self.reader, "reader")
        self.other = door.as_(door.token_of(self.reader))
        (self.file,) = ok(door.get(f"models/{model}/versions/1/files"))["items"]
        self.path = f"models/{model}/versions/1/files/{self.file['path']}"

    def accept(self, door: Door, digest: str | None = None) -> Any:
        body = {"digest": digest or self.terms["digest"]}
        return door.call("POST", f"models/{self.model}/terms/acceptances", json=body)


@pytest.fixture
def bound(door: Door, model: str) -> Bound:
    return Bound(door, model)


def test_an_account_accepts_once_and_pulls_with_every_token(bound: Bound) -> None:
    door, other = bound.door, bound.other
    assert bound.terms["digest"] == Digest.of(TERMS.encode())
    for range_ in ({}, {"range": "bytes=0-1"}, {"if-none-match": f'"{bound.file["digest"]}"'}):
        refused = assert_problem(other.get(bound.path, headers=range_), 403, "terms_not_accepted")
        assert f"modelyard terms accept {bound.model}" in refused["fix"]
    assert ok(other.get(f"models/{bound.model}/terms"))["accepted_at"] is None
    accepted = ok(bound.accept(other))
    assert accepted["accepted_at"] is not None
    assert other.get(bound.path).content == bound.data
    assert other.as_(door.token_of(bound.reader)).get(bound.path).status_code == 200
    assert ok(bound.accept(other))["accepted_at"] == accepted["accepted_at"]
    # An acceptance is of one account.
    assert_problem(door.get(bound.path), 403, "terms_not_accepted")
    rows = ok(door.get(f"models/{bound.model}/terms/acceptances"))["items"]
    assert [(row["account"], row["digest"]) for row in rows] == [(bound.reader.name, bound.terms["digest"])]
    logged = ok(door.get(f"models/{bound.model}/history?kind=terms.*"))["items"]
    assert [(e["kind"], e["actor"], e["data"]["digest"]) for e in logged] == [
        ("terms.accepted", bound.reader.name, bound.terms["digest"]),
        ("terms.changed", "root", bound.terms["digest"]),
    ]


def test_new_terms_ask_again_and_old_ones_that_return_do_not(bound: Bound) -> None:
    door, other = bound.door, bound.other
    ok(bound.accept(other))
    newer = ok(door.call("PUT", f"models/{bound.model}/terms", json={"text": "Other terms"}))
    assert_problem(other.get(bound.path), 403, "terms_not_accepted")
    assert_problem(bound.accept(other), 409, "conflict")
    ok(bound.accept(other, newer["digest"]))
    assert other.get(bound.path).status_code == 200
    ok(door.call("PUT", f"models/{bound.model}/terms", json={"text": TERMS}))
    assert other.get(bound.path).status_code == 200
    removed = ok(door.call("PUT", f"models/{bound.model}/terms", json={"text": ""}))
    assert (removed["text"], removed["digest"]) == ("", None)
    assert door.get(bound.path).status_code == 200
    assert_problem(bound.accept(other), 400, "invalid")


def test_only_owners_set_them_and_strangers_neither_accept_nor_list(bound: Bound) -> None:
    door, other = bound.door, bound.other
    grant(door, bound.space, bound.reader, "maintainer")
    assert_problem(other.call("PUT", f"models/{bound.model}/terms", json={"text": ""}), 403, "denied")
    ok(door.call("PATCH", f"namespaces/{bound.space}", json={"visibility": "public"}))
    ok(door.call("PATCH", f"models/{bound.model}", json={"visibility": "public"}))
    anonymous = assert_problem(door.get(bound.path, token=None), 403, "terms_not_accepted")
    assert "modelyard login" in anonymous["fix"]
    body = {"digest": bound.terms["digest"]}
    path = f"models/{bound.model}/terms/acceptances"
    assert door.call("POST", path, json=body, token=None).status_code == 401
    stranger = door.as_(door.token_of(door.registry.user()))
    assert_problem(stranger.get(path), 403, "denied")
    ok(bound.accept(stranger))
    assert stranger.get(bound.path).status_code == 200


def test_a_copy_is_no_way_around_them(bound: Bound) -> None:
    other = bound.other
    copy = f"models/{unique('copy')}/mine/versions"
    entry = {"path": "stolen.bin", "digest": bound.file["digest"], "size_bytes": bound.file["size_bytes"]}
    assert_problem(other.call("POST", copy, json={"files": [entry]}), 400, "missing_blobs")
    ok(bound.accept(other))
    ok(other.call("POST", copy, json={"files": [entry]}), 201)


def test_the_same_bytes_in_a_run_are_no_way_around_them(bound: Bound) -> None:
    door, other = bound.door, bound.other
    run = start(door, f"{bound.space}/trees")
    entry = {"path": "model.bin", "digest": bound.file["digest"], "size_bytes": bound.file["size_bytes"]}
    Writer(door, run).send({"artifacts": [entry]})
    path = f"runs/{run}/artifacts/model.bin"
    assert_problem(other.get(path), 403, "terms_not_accepted")
    ok(bound.accept(other))
    assert other.get(path).content == bound.data


def test_what_describes_the_model_is_shown_without_acceptance(bound: Bound) -> None:
    for path in ("", "/versions/1", "/versions/1/files", "/versions/1/overview", "/versions/1/citation"):
        assert bound.other.get(f"models/{bound.model}{path}").status_code == 200, path
    assert ok(bound.other.get(f"models/{bound.model}"))["terms_digest"] == bound.terms["digest"]
