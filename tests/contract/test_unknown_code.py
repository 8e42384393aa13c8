"""Unknown code is held at every door until a maintainer trusts it, and no one decides alone where two could."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest

from modelyard.db.tables import blobs
from modelyard.domain.actor import Actor, ActorKind
from modelyard.domain.digest import Digest
from modelyard.registry.access import usecases as access
from modelyard.registry.uploads import queries as uploads
from tests.support.bad_files import trap, zipped
from tests.support.door import Door, assert_problem, digest_of
from tests.support.jobs import finish_scans
from tests.support.registry import unique

NAMES = ["my_corp.utils.Helper", "my_corp.utils.Other"]


def naming(*names: str) -> bytes:
    """A pickle that makes one object of each class; other bytes at each call."""
    made = b"".join(b"c%s\n%s\n)\x81" % tuple(n.encode() for n in name.rsplit(".", 1)) for name in names)
    return b"\x80\x04" + made + f"X{chr(4)}\0\0\0".encode() + unique("x").encode().rjust(4, b"_")[-4:] + b"."


def distinct(*names: str) -> bytes:
    return zipped(naming(*names), f"{unique('m')}.pkl")


def path_of(made: dict[str, Any]) -> str:
    return f"models/{made['model']}/versions/{made['version']}"


def bytes_path(door: Door, made: dict[str, Any]) -> str:
    (file,) = door.get(f"{path_of(made)}/files").json()["items"]
    return f"{path_of(made)}/files/{file['path']}"


def trust(door: Door, namespace: str, name: str) -> Any:
    return door.call("POST", f"namespaces/{namespace}/trusted-globals", json={"name": name, "reason": "ours"})


def kinds(door: Door, model: str) -> list[str]:
    return [event["kind"] for event in door.get(f"models/{model}/history").json()["items"]]


def names_in(fix: str) -> list[str]:
    """The names of the command that a refusal prints."""
    found = re.search(r"modelyard (scan trust .*)", fix)
    assert found is not None, fix
    return shlex.split(found[1])[3:-2]


def test_unknown_code_is_held_and_the_printed_command_has_it_served(door: Door, model: str) -> None:
    namespace = model.partition("/")[0]
    made = door.register(model, distinct(*NAMES), aliases=["champion"])
    assert (made["scan"], made["quarantined"], made["aliases"]) == ("unknown", True, [])
    refused = assert_problem(door.get(bytes_path(door, made)), 409, "version_quarantined")
    assert names_in(refused["fix"]) == NAMES
    assert_problem(door.get(f"{path_of(made)}/manifest"), 409, "version_quarantined")
    put = door.call("PUT", f"models/{model}/aliases/champion", json={"version": made["version"]})
    assert names_in(assert_problem(put, 409, "version_quarantined")["fix"]) == NAMES
    # One of two names is not enough.
    assert trust(door, namespace, NAMES[0]).status_code == 200
    assert (
        names_in(assert_problem(door.get(bytes_path(door, made)), 409, "version_quarantined")["fix"])
        == NAMES[1:]
    )
    assert trust(door, namespace, NAMES[1]).status_code == 200
    assert door.get(bytes_path(door, made)).status_code == 200
    assert door.get(f"resolve?ref={model}").json()["version"] == made["version"]
    new = door.register(model, distinct(*NAMES), aliases=["champion"])
    assert (new["quarantined"], new["aliases"]) == (False, ["champion"])
    # And back.
    assert door.call("DELETE", f"namespaces/{namespace}/trusted-globals?name={NAMES[1]}").status_code == 200
    assert_problem(door.get(bytes_path(door, made)), 409, "version_quarantined")
    assert door.get(f"resolve?ref={model}@champion").json()["quarantined"]
    assert (kinds(door, model).count("version.quarantined"), kinds(door, model).count("version.released")) == (
        3,
        1,
    )


def test_trust_of_one_namespace_means_nothing_in_another(door: Door, model: str) -> None:
    data = distinct(NAMES[0])
    other = f"{unique('space')}/scorer"
    mine, theirs = door.register(model, data), door.register(other, data)
    assert trust(door, model.partition("/")[0], NAMES[0]).status_code == 200
    assert door.get(bytes_path(door, mine)).status_code == 200
    assert_problem(door.get(bytes_path(door, theirs)), 409, "version_quarantined")


@pytest.mark.parametrize(
    "names",
    [
        pytest.param([f"my_corp.m{n}.C" for n in range(400)], id="more names than are kept"),
        pytest.param([f"my_corp.m{n}.C" for n in range(6)], id="more names than a command holds"),
    ],
)
def test_no_command_is_printed_that_would_not_be_enough(door: Door, model: str, names: list[str]) -> None:
    made = door.register(model, distinct(*names))
    refused = assert_problem(door.get(bytes_path(door, made)), 409, "version_quarantined")
    assert "scan trust" not in refused["fix"]


@pytest.mark.product(2)
def test_trust_in_all_that_is_kept_is_no_trust_in_what_was_left_out(door: Door, model: str) -> None:
    namespace = model.partition("/")[0]
    made = door.register(model, distinct(*[f"my_corp.m{n}.C" for n in range(400)]))
    named = door.get(f"{path_of(made)}/scan").json()["unknown"]
    assert 0 < len(named) < 400
    for name in named:
        trust(door, namespace, name)
    assert_problem(door.get(bytes_path(door, made)), 409, "version_quarantined")


# --- serving what is unknown -------------------------------------------------------------------------


def serve_unknown(door: Door, namespace: str, serve: bool, reason: str = "a laboratory") -> Any:
    return door.call("PUT", f"namespaces/{namespace}/serve-unknown", json={"serve": serve, "reason": reason})


def test_an_owner_has_a_namespace_serve_unknown_code_and_nothing_worse(door: Door, model: str) -> None:
    namespace = model.partition("/")[0]
    made, bad = (
        door.register(model, distinct(NAMES[0])),
        door.register(model, zipped(trap(), f"{unique()}.pkl")),
    )
    odd = door.register(model, b"7z\xbc\xaf\x27\x1c" + unique().encode())
    assert odd["scan"] == "not_scanned"
    maintainer = member(door, namespace, "maintainer")
    assert_problem(serve_unknown(door.as_(door.token_of(maintainer)), namespace, True), 403, "denied")
    assert_problem(serve_unknown(door, namespace, True, " "), 400, "invalid")
    assert serve_unknown(door, namespace, True).json()["serve_unknown"] is True
    assert door.get(bytes_path(door, made)).status_code == 200
    assert not door.register(model, distinct(NAMES[1]))["quarantined"]
    for held in (bad, odd):
        assert_problem(door.get(bytes_path(door, held)), 409, "version_quarantined")
    assert serve_unknown(door, namespace, False).json()["serve_unknown"] is False
    assert_problem(door.get(bytes_path(door, made)), 409, "version_quarantined")


# --- a second person ---------------------------------------------------------------------------------


def member(door: Door, namespace: str, role: str) -> Actor:
    person = door.registry.user()
    put = door.call("PUT", f"namespaces/{namespace}/members/{person.name}", json={"role": role})
    assert put.status_code == 204
    return person


def release(door: Door, made: dict[str, Any]) -> Any:
    return door.call("POST", f"{path_of(made)}/release", json={"reason": "it is ours"})


def test_who_pushed_releases_alone_only_where_nobody_else_could(door: Door, model: str) -> None:
    namespace = model.partition("/")[0]
    first = door.register(model, zipped(trap(), f"{unique()}.pkl"))
    done = release(door, first)
    assert (done.status_code, done.json()["released"]["alone"]) == (200, True)
    newest = door.get(f"models/{model}/history").json()["items"][0]
    assert (newest["kind"], newest["data"]["alone"]) == ("version.released", True)
    second = member(door, namespace, "maintainer")
    other = door.register(model, zipped(trap(), f"{unique()}.pkl"))
    refused = assert_problem(release(door, other), 403, "second_person_needed")
    assert second.name in refused["fix"]
    done = release(door.as_(door.token_of(second)), other)
    assert (done.status_code, done.json()["released"]["alone"]) == (200, False)


@pytest.mark.parametrize("kind", ["service", "user"])
def test_an_account_that_one_made_is_no_second_person(door: Door, kind: str) -> None:
    """The owner of a namespace, who makes another account, releases with it what the first one pushed."""
    namespace = unique("space")
    owner = door.registry.user(is_admin=True)
    mine = door.as_(door.token_of(owner))
    assert mine.call("POST", "namespaces", json={"name": namespace}).status_code == 201
    made = mine.register(f"{namespace}/scorer", zipped(trap(), f"{unique()}.pkl"))
    puppet = unique("puppet")
    row = door.registry.db.write(
        lambda tx: access.create_actor(tx, owner, name=puppet, kind=ActorKind(kind), is_admin=False)
    )
    person = member(mine, namespace, "maintainer")
    put = mine.call("PUT", f"namespaces/{namespace}/members/{puppet}", json={"role": "maintainer"})
    assert put.status_code == 204
    refused = release(door.as_(door.token_of(row.to_actor(is_full_sign_in=True))), made)
    assert person.name in assert_problem(refused, 403, "second_person_needed")["fix"]


def test_trust_by_who_pushed_counts_when_another_person_confirms_it(door: Door, model: str) -> None:
    namespace = model.partition("/")[0]
    made = door.register(model, distinct(NAMES[0]))
    second = door.as_(door.token_of(member(door, namespace, "maintainer")))
    refused = assert_problem(trust(door, namespace, NAMES[0]), 403, "second_person_needed")
    assert made["reference"] in refused["detail"]
    assert door.get(f"namespaces/{namespace}/trusted-globals").json()["items"] == []
    # Trust before the push is no way round.
    assert trust(door, namespace, NAMES[1]).status_code == 200
    early = door.register(model, distinct(NAMES[1]))
    assert early["quarantined"]
    theirs = second.register(model, distinct(NAMES[1]))
    assert not theirs["quarantined"]
    (item,) = trust(second, namespace, NAMES[1]).json()["items"]
    assert item["confirmed_by"] is not None
    assert door.get(bytes_path(door, early)).status_code == 200
    assert trust(second, namespace, NAMES[0]).status_code == 200
    assert door.get(bytes_path(door, made)).status_code == 200


def test_a_release_in_sight_of_unknown_code_is_none_of_what_is_dangerous(door: Door, model: str) -> None:
    data, bad = distinct(NAMES[0]), zipped(trap(), f"{unique()}.pkl")
    door.register(f"{unique('space')}/scorer", data)
    door.send(bad)

    def look_unknown(tx: Any) -> None:
        scan = uploads.find_read(tx, [Digest.of(data)])[Digest.of(data)].scan
        assert scan is not None
        uploads.set_scan(tx, Digest.of(bad), scan)
        tx.execute(blobs.update().where(blobs.c.digest == digest_of(bad)).values(scan_rules=1))

    door.registry.db.write(look_unknown)
    made = door.register(model, bad)
    assert made["scan"] == "unknown"
    assert release(door, made).status_code == 200
    finish_scans(door.registry.db, door.registry.blobs)
    assert_problem(door.get(bytes_path(door, made)), 409, "version_quarantined")


def test_a_file_that_one_logs_into_anothers_run_is_still_ones_own(door: Door, model: str) -> None:
    namespace = model.partition("/")[0]
    uid = unique().encode().hex().rjust(32, "0")[-32:]
    assert door.call("POST", "namespaces", json={"name": namespace}).status_code == 201
    assert door.call("PUT", f"runs/{uid}", json={"experiment": f"{namespace}/t"}).status_code < 300
    guest = door.as_(door.token_of(member(door, namespace, "maintainer")))
    data = zipped(trap(), f"{unique()}.pkl")
    sent = guest.send(data)
    frame = {"artifacts": [{"path": "m.pkl", "digest": sent["digest"], "size_bytes": sent["size_bytes"]}]}
    body = {"writer": "guest", "first": 1, "frames": [frame]}
    assert guest.call("POST", f"runs/{uid}/records", json=body).status_code == 200
    finish_scans(door.registry.db, door.registry.blobs)
    refused = guest.call("POST", f"runs/{uid}/release", json={"reason": "mine"})
    assert "root" in assert_problem(refused, 403, "second_person_needed")["fix"]
    assert door.call("POST", f"runs/{uid}/release", json={"reason": "looked at"}).status_code == 200
    assert guest.get(f"runs/{uid}/artifacts/m.pkl").status_code == 200
