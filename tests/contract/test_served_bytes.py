"""No route gives bytes that are in quarantine: every one of them, with such bytes behind each, in all ways of asking.

A route that is added later is walked too; one that needs a value which is not listed here fails by its name.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from starlette.responses import Response

from modelyard.db.tables import blobs as blobs_table
from modelyard.db.tables import events
from modelyard.domain.digest import Digest
from modelyard.domain.manifest import File
from modelyard.doors import authentication as auth
from modelyard.doors import ranges
from modelyard.doors.call import Call
from modelyard.doors.dispatch import Endpoint
from modelyard.doors.table import RouteSpec
from modelyard.registry.uploads import queries as uploads
from tests.support.door import Door, assert_problem, digest_of
from tests.support.held import GIVING, WAYS, Held, gives_bytes, held_in, walk
from tests.support.jobs import finish_scans
from tests.support.registry import unique

RUN = "ab" * 16


def harmful_text(word: str) -> bytes:
    """A pickle of protocol 0, which is text, that runs a command with the word in it."""
    return f"cposix\nsystem\n(S'echo {word}'\ntR.".encode()


@pytest.fixture(scope="module")
def held(door: Door) -> Held:
    marker, space = unique("harmful-marker-"), unique("held")
    readme, data = harmful_text(f"{marker} readme"), harmful_text(f"{marker} model")
    known = [{**door.send(readme), "path": "README.md"}, {**door.send(data), "path": "model.pkl"}]

    def look_harmless(tx: Any) -> None:
        for each in (readme, data):
            uploads.set_scan(tx, Digest.of(each), "")
            tx.execute(blobs_table.update().where(blobs_table.c.digest == digest_of(each)).values(scan_rules=1))

    # As a release with older rules saw it, so that an alias stands on the version.
    door.registry.db.write(look_harmless)
    body = {"files": known, "aliases": ["champion"]}
    made = door.call("POST", f"models/{space}/scorer/versions", json=body).json()
    assert (made["scan"], made["aliases"]) == ("no_code", ["champion"])
    entry = {"name": "rows", "digest": "sha256:" + "e" * 64, "profile": digest_of(data)}
    assert door.call("PUT", f"runs/{RUN}", json={"experiment": f"{space}/training"}).status_code < 300
    frame = {
        "artifacts": [{"path": "model.pkl", "digest": digest_of(data), "size_bytes": len(data)}],
        "inputs": [entry],
    }
    sent = door.call("POST", f"runs/{RUN}/records", json={"writer": "w", "first": 1, "frames": [frame]})
    assert sent.status_code == 200, sent.text
    assert door.get(f"namespaces/{space}/datasets/rows/newest").status_code in (200, 400), "it has a profile"
    finish_scans(door.registry.db, door.registry.blobs)
    assert door.get(f"models/{space}/scorer/versions/1").json()["quarantined"]
    recipe = f"version: 1\nmodel: {space}/scorer\ntrain: python train.py\n"
    build = door.call("POST", "builds", json={"recipe": recipe, "bundle": digest_of(data)})
    assert build.status_code == 201, build.text
    schedule = door.call("POST", "schedules", json={"build": build.json()["id"], "every": "1h"})
    assert schedule.json()["id"] == 1, schedule.text
    named = ["sha256:" + "e" * 64, "e" * 8]
    return held_in(space, marker, version=made["digest"], run=RUN, datasets=named, build=build.json()["id"])


def test_no_route_gives_what_is_held(door: Door, held: Held) -> None:
    assert {spec.operation for spec in GIVING if gives_bytes(spec)} == {
        "get_file",
        "get_artifact",
        "get_profile",
        "get_bundle",
    }
    assert walk(door, GIVING, held) == []


async def _careless(call: Call, query: _MarkerQuery) -> Response:
    """Give bytes without asking whether they are held."""
    data = harmful_text(f"{query.marker} model")
    return await ranges.bytes_response(call, File("model.pkl", Digest.of(data), len(data)), {})


class _MarkerQuery(msgspec.Struct):
    marker: str


def test_a_route_that_does_not_ask_is_found(door: Door, held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = RouteSpec(
        "GET", "/api/v1/careless", _careless, query=_MarkerQuery, returns="application/octet-stream"
    )
    endpoint = Endpoint(spec, door.services, auth.authenticate)
    dispatch = door.client.app._app._app  # type: ignore[attr-defined]
    for method in ("GET", "HEAD"):
        monkeypatch.setitem(dispatch._fixed, (method, spec.path), endpoint)
    held.values["marker"] = held.marker
    found = walk(door, [spec], held)
    assert len(found) == len(WAYS)
    assert "gives what is held" in found[0]


def test_the_refusals_say_why_and_what_helps(door: Door, held: Held) -> None:
    (space,) = held.parameters["namespace"]
    version = f"models/{space}/scorer/versions/1"
    assert_problem(door.get(f"{version}/files/model.pkl"), 409, "version_quarantined")
    card = assert_problem(door.get(f"{version}/card"), 409, "file_quarantined")
    assert "posix.system" in card["detail"]
    assert "modelyard quarantine release " in card["fix"]
    artifact = assert_problem(door.get(f"runs/{RUN}/artifacts/model.pkl"), 409, "file_quarantined")
    assert "dangerous (posix.system" in artifact["detail"]
    assert f"modelyard quarantine release-run {RUN}" in artifact["fix"]


# --- files of runs -----------------------------------------------------------------------------------


def run_with(door: Door, space: str, uid: str, *artifacts: tuple[str, bytes]) -> None:
    assert door.call("PUT", f"runs/{uid}", json={"experiment": f"{space}/training"}).status_code < 300
    log(door, uid, 1, *artifacts)


def log(door: Door, uid: str, first: int, *artifacts: tuple[str, bytes]) -> None:
    sent = [{**door.send(data), "path": path} for path, data in artifacts]
    frame = {
        "artifacts": [{"path": s["path"], "digest": s["digest"], "size_bytes": s["size_bytes"]} for s in sent]
    }
    answer = door.call("POST", f"runs/{uid}/records", json={"writer": "w", "first": first, "frames": [frame]})
    assert answer.status_code == 200, answer.text


def test_a_file_of_a_run_waits_for_its_scan_and_is_released_by_its_bytes(door: Door) -> None:
    space, uid = unique("runs"), "cd" * 16
    run_with(
        door,
        space,
        uid,
        ("model.pkl", harmful_text(unique())),
        ("notes.txt", b"plain words " + unique().encode()),
    )
    pending = door.get(f"runs/{uid}/artifacts/model.pkl")
    assert_problem(pending, 503, "scan_pending")
    assert pending.headers["retry-after"]
    assert door.get(f"runs/{uid}/artifacts/notes.txt").status_code == 200
    finish_scans(door.registry.db, door.registry.blobs)
    assert_problem(door.get(f"runs/{uid}/artifacts/model.pkl"), 409, "file_quarantined")
    scan = door.get(f"runs/{uid}/scan").json()["files"]
    assert [(f["path"], f["verdict"], f["quarantined"]) for f in scan] == [
        ("model.pkl", "dangerous", True),
        ("notes.txt", "no_code", False),
    ]
    released = door.call("POST", f"runs/{uid}/release", json={"reason": "a test file"})
    assert released.json()["files"][0]["released"]["alone"] is True
    assert door.get(f"runs/{uid}/artifacts/model.pkl").status_code == 200
    # The release was of these bytes: other ones under the same name, and the same ones in another run, are held.
    log(door, uid, 2, ("model.pkl", harmful_text(unique())))
    finish_scans(door.registry.db, door.registry.blobs)
    assert_problem(door.get(f"runs/{uid}/artifacts/model.pkl"), 409, "file_quarantined")
    kinds = sa.select(events.c.kind).where(events.c.kind == "run.files_released", events.c.body.contains(uid))
    assert len(door.registry.db.read(lambda tx: tx.rows(kinds))) == 1


def test_a_version_in_quarantine_shows_a_card_that_is_not_what_is_held(door: Door, model: str) -> None:
    sent = [{**door.send(b"# Purpose\n" + unique().encode()), "path": "README.md"}]
    sent.append({**door.send(harmful_text(unique())), "path": "model.pkl"})
    made = door.call("POST", f"models/{model}/versions", json={"files": sent}).json()
    assert made["quarantined"]
    version = f"models/{model}/versions/{made['version']}"
    assert "# Purpose" in door.get(f"{version}/card").text
    assert_problem(door.get(f"{version}/files/README.md"), 409, "version_quarantined")
