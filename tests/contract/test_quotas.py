"""Quotas of namespaces: the use is always the sum of the sizes of their versions, and pushes stop at the quota."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from modelyard.db.tables import datasets, experiments, models, namespaces
from modelyard.registry.retention import usecases as retention
from modelyard.sdk.datasets import describe
from tests.contract.test_runs import Writer, shown, start
from tests.support.door import Door, assert_problem
from tests.support.registry import unique


def ok(answer: Any, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


class Space:
    def __init__(self, door: Door, model: str) -> None:
        self.door, self.model, self.name = door, model, model.partition("/")[0]

    def use(self) -> tuple[int | None, int | None]:
        shown = ok(self.door.get(f"namespaces/{self.name}"))
        return shown["used_bytes"], shown["quota_bytes"]

    def quota(self, size: int) -> Any:
        return self.door.call("PATCH", f"namespaces/{self.name}", json={"quota_bytes": size})

    def push(self, size: int, model: str | None = None, **body: Any) -> Any:
        data = unique("x").encode().ljust(size, b".") if size > 10 else b"." * size
        files = [self.door.send(data)]
        return self.door.call("POST", f"models/{model or self.model}/versions", json={"files": files, **body})


@pytest.fixture
def space(door: Door, model: str) -> Space:
    return Space(door, model)


def test_the_use_follows_every_change_of_versions(space: Space) -> None:
    door, model = space.door, space.model
    first = ok(space.push(1000), 201)
    ok(space.push(500), 201)
    ok(space.push(200, f"{space.name}/other"), 201)
    assert space.use() == (1700, None)
    # The same version again is the same version; forced, it is another one.
    (file,) = ok(door.get(f"models/{model}/versions/1/files"))["items"]
    entry = {name: file[name] for name in ("path", "digest", "size_bytes")}
    again = {"files": [entry], "facts": {}}
    assert ok(door.call("POST", f"models/{model}/versions", json=again))["version"] == first["version"]
    assert space.use() == (1700, None)
    ok(door.call("POST", f"models/{model}/versions", json={**again, "force_new": True}), 201)
    assert space.use() == (2700, None)
    # An archived version has its bytes.
    ok(door.call("PATCH", f"models/{model}/versions/2", json={"archived": True}))
    assert space.use() == (2700, None)
    ok(door.call("PATCH", f"models/{model}/versions/2", json={"archived": False}))
    ok(door.call("DELETE", f"models/{model}/versions/2"), 204)
    ok(door.call("DELETE", f"models/{model}/versions/2"), 204)
    assert space.use() == (2200, None)
    ok(door.call("DELETE", f"models/{model}"), 204)
    assert space.use() == (200, None)


def test_a_retention_rule_makes_room(space: Space) -> None:
    for _ in range(3):
        ok(space.push(100), 201)
    path = f"namespaces/{space.name}/retention"
    ok(space.door.call("PUT", path, json={"keep_versions": 1, "action": "delete"}))
    assert ok(space.door.call("POST", f"{path}/run")) == {"action": "delete", "versions": 2, "size_bytes": 200}
    assert space.use() == (100, None)


def test_a_push_stops_at_the_quota_and_leaves_nothing(space: Space) -> None:
    ok(space.push(600), 201)
    assert ok(space.quota(1000))["quota_bytes"] == 1000
    ok(space.push(400), 201)
    entry = space.door.send(b"!")
    before = space.door.rows()
    versions = f"models/{space.model}/versions"
    again = space.door.call("POST", versions, json={"files": [entry]})
    refused = assert_problem(again, 409, "quota_exceeded")
    assert refused["detail"] == (
        f"namespace {space.name} uses 1 kB of its quota of 1 kB, and this version has 1 B; nothing was registered"
    )
    assert "ask an admin" in refused["fix"]
    assert f"modelyard namespace edit {space.name} --quota" in refused["fix"]
    assert (refused["fields"]["used_bytes"], refused["fields"]["size_bytes"]) == (1000, 1)
    # What was read from the new file stays with its bytes, until they are collected.
    of_bytes = {"blob_facts", "events", "event_nodes"}
    after = space.door.rows()
    assert {name for name in before if before[name] != after[name]} <= of_bytes
    (newest,) = ok(space.door.get("audit/events?limit=1"))["items"]
    assert newest["kind"] == "rows.written"
    assert space.use() == (1000, 1000)
    # A new model in the same namespace does not go around it.
    assert_problem(space.push(1, f"{space.name}/other"), 409, "quota_exceeded")
    assert space.door.get(f"models/{space.name}/other").status_code == 404
    ok(space.door.call("DELETE", f"models/{space.model}/versions/2"), 204)
    ok(space.push(400), 201)
    assert ok(space.quota(0))["quota_bytes"] is None
    ok(space.push(5000), 201)
    assert space.use() == (6000, None)


def test_a_push_is_refused_before_its_bytes_are_sent(space: Space) -> None:
    ok(space.push(600), 201)
    ok(space.quota(1000))
    door, known = space.door, space.door.send(unique("k").encode())
    new = {"digest": f"sha256:{'0' * 64}", "size_bytes": 401}
    ask = {"blobs": [new], "namespace": space.name}
    refused = assert_problem(door.call("POST", "blobs/missing", json=ask), 409, "quota_exceeded")
    assert refused["detail"].startswith(f"namespace {space.name} uses 600 B of its quota of 1 kB")
    assert f"modelyard retention run {space.name} --dry-run" in refused["fix"]
    # The client asks for some files at a time, and announces the whole version each time.
    part = {**ask, "blobs": [{**new, "size_bytes": 1}], "version_bytes": 401}
    assert_problem(door.call("POST", "blobs/missing", json=part), 409, "quota_exceeded")
    for fits in (
        {**ask, "blobs": [{**new, "size_bytes": 400}]},
        {**ask, "namespace": None},
        {**ask, "namespace": unique("new")},
    ):
        assert ok(door.call("POST", "blobs/missing", json=fits))["missing"] == [new["digest"]]
    # A version whose files are all there may be one that is registered already.
    there = {"digest": known["digest"], "size_bytes": known["size_bytes"]}
    whole = {**ask, "blobs": [there], "version_bytes": 10_000}
    assert ok(door.call("POST", "blobs/missing", json=whole))["missing"] == []
    # Who may not register there learns nothing.
    stranger = door.as_(door.token_of(door.registry.user()))
    assert ok(stranger.call("POST", "blobs/missing", json=ask))["missing"] == [new["digest"]]


def test_a_quota_below_the_use_stops_pushes_and_nothing_else(space: Space) -> None:
    ok(space.push(600), 201)
    ok(space.quota(100))
    assert_problem(space.push(1), 409, "quota_exceeded")
    assert space.door.get(f"models/{space.model}/versions/1").status_code == 200
    assert space.use() == (600, 100)


def test_only_admins_set_it_and_only_members_see_it(space: Space) -> None:
    door = space.door
    ok(space.push(600), 201)
    owner, guest = door.registry.user(), door.registry.user()
    ok(door.call("PUT", f"namespaces/{space.name}/members/{owner.name}", json={"role": "owner"}), 204)
    theirs = door.as_(door.token_of(owner))
    assert_problem(
        theirs.call("PATCH", f"namespaces/{space.name}", json={"quota_bytes": 10**12}), 403, "denied"
    )
    assert ok(theirs.get(f"namespaces/{space.name}"))["used_bytes"] == 600
    assert_problem(space.quota(-1), 400, "invalid")
    ok(door.call("PATCH", f"namespaces/{space.name}", json={"visibility": "signed-in"}))
    seen = ok(door.as_(door.token_of(guest)).get(f"namespaces/{space.name}"))
    assert (seen["used_bytes"], seen["quota_bytes"]) == (None, None)


def test_the_figures_are_metrics(space: Space) -> None:
    ok(space.push(600), 201)
    ok(space.quota(10**6))
    text = space.door.get("/metrics").text
    assert f'modelyard_namespace_bytes{{namespace="{space.name}"}} 600.0' in text
    assert f'modelyard_namespace_quota_bytes{{namespace="{space.name}"}} 1e+06' in text
    assert 'modelyard_database_connections{state="in_use"}' in text
    assert 'modelyard_database_waiting{kind="read"} 0.0' in text


def test_a_scrub_counts_again(space: Space) -> None:
    ok(space.push(600), 201)
    db = space.door.registry.db

    def spoil(tx: Any) -> None:
        of = sa.select(namespaces.c.id).where(namespaces.c.name == space.name).scalar_subquery()
        tx.execute(sa.update(models).where(models.c.namespace_id == of).values(version_bytes=7))

    db.write(spoil)
    assert space.use() == (7, None)
    *_, last = retention.scrub(db, space.door.registry.blobs, space.door.registry.root)
    assert last.finished
    assert space.use() == (600, None)


def test_files_of_runs_and_profiles_of_datasets_count(space: Space) -> None:
    door = space.door
    run = start(door, f"{space.name}/trees")
    writer = Writer(door, run)

    def log(path: str, size: int) -> Any:
        sent = door.send(unique("f").encode().ljust(size, b"."))
        file = {"path": path, "digest": sent["digest"], "size_bytes": sent["size_bytes"]}
        return writer.send({"artifacts": [file]})["notes"]

    assert log("a.bin", 300) == []
    assert log("b.bin", 100) == []
    assert space.use() == (400, None)
    # A path that is logged again counts once.
    assert log("a.bin", 200) == []
    described = describe({"amount": [1.0, 2.0, 3.0]}, name="rows")
    assert described.profile is not None
    size = door.send(described.profile)["size_bytes"]
    for _ in range(2):
        pushed = door.call("POST", f"namespaces/{space.name}/datasets", json={"entry": described.entry})
        assert pushed.is_success, pushed.text
    assert space.use() == (300 + size, None)
    ok(space.push(650 - size), 201)
    assert space.use() == (950, None)
    # At the quota a run goes on, and its notes name the files that it left out.
    ok(space.quota(1000))
    (note,) = log("c.bin", 51)
    assert f"{space.name} uses 950 B of its quota of 1 kB, and they have 51 B" in note
    assert "c.bin" in note
    assert [file["path"] for file in shown(door, run)["artifacts"]] == ["a.bin", "b.bin"]
    assert_problem(space.push(51), 409, "quota_exceeded")
    db = door.registry.db
    for table, counter in ((experiments, "file_bytes"), (datasets, "profile_bytes")):
        of = sa.select(namespaces.c.id).where(namespaces.c.name == space.name).scalar_subquery()
        spoil = sa.update(table).where(table.c.namespace_id == of).values({counter: 7})
        db.write(lambda tx, spoil=spoil: tx.execute(spoil))
    assert space.use() == (650 - size + 14, 1000)
    *_, last = retention.scrub(db, door.registry.blobs, door.registry.root)
    assert last.finished
    assert space.use() == (950, 1000)
    ok(door.call("DELETE", f"runs/{run}"), 204)
    assert space.use() == (650, 1000)
