"""Datasets: noted, listed, shown, compared, kept; on both databases."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from modelyard.blobs.memory import MemoryStore
from modelyard.db.engine import Database
from modelyard.domain.actor import Role
from modelyard.domain.errors import (
    DatasetNotFound,
    Denied,
    Invalid,
    InvalidDigest,
    MissingBlobs,
    NamespaceNotFound,
)
from modelyard.domain.names import ModelName, Ref
from modelyard.registry.access import usecases as access
from modelyard.registry.catalog import usecases as catalog
from modelyard.registry.datasets import usecases as datasets
from modelyard.registry.datasets.nouns import DatasetVersion
from modelyard.registry.datasets.queries import list_by_digest, list_uses
from modelyard.registry.datasets.rules import find_entries
from modelyard.registry.lineage import readers
from modelyard.registry.retention import usecases as retention
from modelyard.registry.versions import usecases as versions
from modelyard.sdk.datasets import Described, describe
from modelyard.server.backup import back_up, restore
from tests.support.door import Door
from tests.support.promotion import Team, team
from tests.support.registry import Registry, unique

DAY = 86_400_000_000


@pytest.fixture
def crew(registry: Registry) -> Team:
    return team(registry)


def table(seed: int = 0, shift: float = 0.0, rows: int = 5_000) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        "id": np.arange(seed * 1000, seed * 1000 + rows),
        "amount": rng.normal(shift, 1, rows),
        "steady": rng.normal(size=rows),
        "town": rng.choice(["Bonn", "Ulm"], rows),
    }


def described(name: str = "transactions", **how: Any) -> Described:
    return describe(table(**how), name=name, keys=["id"], source="warehouse.transactions")


def send(crew: Team, one: Described, actor: Any = None) -> None:
    crew.registry.send(actor or crew.contributor, one.profile)


def push(crew: Team, one: Described, actor: Any = None) -> DatasetVersion:
    send(crew, one, actor)
    by = actor or crew.contributor
    return crew.registry.db.write(lambda tx: datasets.push_dataset(tx, by, crew.namespace, one.entry))


def find(crew: Team, name: str, selector: str | None = None, actor: Any = None) -> DatasetVersion:
    by = actor or crew.reader
    return crew.registry.db.read(lambda tx: datasets.find_content(tx, by, crew.namespace, name, selector))


def test_a_pushed_content_is_known_once(crew: Team) -> None:
    one = described()
    first, again = push(crew, one), push(crew, one)
    assert first == again
    assert first.reference == f"{crew.namespace}/transactions@{one.digest}"
    assert first.profile == one.entry["profile"]
    assert find(crew, "transactions") == first
    assert find(crew, "transactions", one.digest.hex[:8]) == first


def test_contents_and_datasets_are_listed_newest_first(crew: Team) -> None:
    made = [push(crew, described(seed=seed)) for seed in range(3)]
    push(crew, described("labels", seed=1))
    db = crew.registry.db
    found = db.read(
        lambda tx: datasets.list_contents(tx, crew.reader, crew.namespace, "transactions", None, 10)
    )
    assert found == made[::-1]
    page = db.read(
        lambda tx: datasets.list_contents(tx, crew.reader, crew.namespace, "transactions", found[0].id, 1)
    )
    assert page == [made[1]]
    rows = db.read(lambda tx: datasets.list_datasets(tx, crew.reader, crew.namespace, None, None, 10))
    assert [(row.name, row.versions) for _, row in rows] == [("labels", 1), ("transactions", 3)]
    cursor = (rows[0][1].updated_at, rows[0][0])
    rest = db.read(lambda tx: datasets.list_datasets(tx, crew.reader, crew.namespace, None, cursor, 10))
    assert [row.name for _, row in rest] == ["transactions"]
    named = db.read(lambda tx: datasets.list_datasets(tx, crew.reader, crew.namespace, "LAB", None, 10))
    assert [row.name for _, row in named] == ["labels"]


def test_a_version_makes_its_data_known_and_is_shown_with_it(crew: Team) -> None:
    one, test = described(), described("holdout", seed=5)
    send(crew, one)
    entries = [
        {**one.entry, "split": "train", "filter": "country = 'DE'"},
        {**test.entry, "split": "test"},
        {"note": "an entry of another kind is left alone"},
    ]
    number = crew.push(data=entries)
    content = find(crew, "transactions")
    found = crew.registry.db.read(lambda tx: readers.list_readers(tx, crew.reader, content))
    assert [(r.name, r.relation) for r in found] == [(f"{crew.model}:{number}", "trained_on")]
    assert found[0].details["filter"] == "country = 'DE'"
    assert found[0].details["source"] == "warehouse.transactions"
    other = find(crew, "holdout")
    assert other.profile is None, "its bytes were not sent"
    found = crew.registry.db.read(lambda tx: readers.list_readers(tx, crew.reader, other))
    assert [r.relation for r in found] == ["evaluated_on"]
    assert push(crew, test).profile == test.entry["profile"], "sent later"


def test_the_same_data_makes_the_same_version(crew: Team) -> None:
    registry = crew.registry
    views = [
        registry.try_register(crew.contributor, crew.model, facts={"data": [described().entry]})
        for _ in range(2)
    ]
    assert [created for _, created in views] == [True, False]


def test_two_contents_are_compared_as_scipy_says(crew: Team) -> None:
    one, two = described(), described(seed=1, shift=0.8)
    push(crew, one)
    push(crew, two)
    before, after, drift = datasets.compare_contents(
        crew.registry.db,
        crew.registry.blobs,
        crew.reader,
        (crew.namespace, "transactions", one.digest),
        (crew.namespace, "transactions", None),
    )
    assert (before.digest, after.digest) == (one.digest, two.digest)
    found = {c.name: c for c in drift.columns}
    assert {c.name for c in drift.shifted} == {"amount"}, "keys are left out"
    truth = stats.ks_2samp(table()["amount"], table(seed=1, shift=0.8)["amount"]).statistic
    assert found["amount"].ks == pytest.approx(truth, abs=0.01)
    assert drift.overlap is not None
    assert drift.overlap.least <= 4_000 <= drift.overlap.most


def test_wrong_entries_and_names_are_refused(crew: Team) -> None:
    db, good = crew.registry.db, described().entry
    for change, error in (
        ({"name": ""}, Invalid),
        ({"name": "a/b"}, Invalid),
        ({"name": "a@b"}, Invalid),
        ({"name": " a"}, Invalid),
        ({"name": 7}, Invalid),
        ({"digest": "md5:1"}, InvalidDigest),
        ({"profile": "none"}, InvalidDigest),
        ({"columns": ["x" * 300_000]}, Invalid),
    ):
        with pytest.raises(error):
            db.write(
                lambda tx, c=change: datasets.push_dataset(tx, crew.contributor, crew.namespace, {**good, **c})
            )
    with pytest.raises(MissingBlobs):
        db.write(lambda tx: datasets.push_dataset(tx, crew.contributor, crew.namespace, good))
    with pytest.raises(DatasetNotFound):
        find(crew, "transactions")
    push(crew, described())
    with pytest.raises(InvalidDigest):
        find(crew, "transactions", "abc")
    with pytest.raises(DatasetNotFound):
        find(crew, "transactions", "0" * 12)


def test_rights_are_those_of_the_namespace(crew: Team) -> None:
    one = described()
    with pytest.raises(Denied):
        push(crew, one, crew.reader)
    with pytest.raises(NamespaceNotFound):
        push(crew, one, crew.stranger)
    push(crew, one)
    assert find(crew, "transactions", actor=crew.reader)
    with pytest.raises(NamespaceNotFound):
        find(crew, "transactions", actor=crew.stranger)


def test_a_profile_of_others_is_no_key_to_their_bytes(crew: Team) -> None:
    """Naming a digest in a record must not make a stranger's bytes readable."""
    one = described()
    send(crew, one)
    other = team(crew.registry)
    (entry,) = find_entries([one.entry])
    crew.registry.db.write(
        lambda tx: datasets.note_use(tx, other.contributor, other.namespace, entry, "run:other", "read")
    )
    assert find(other, "transactions").profile is None


def test_profiles_are_kept_by_the_collector(crew: Team) -> None:
    registry = crew.registry
    one = described(seed=7)
    push(crew, one)
    loose = registry.send(crew.contributor, b"no one needs these bytes " + unique().encode())
    later = registry.db.clock() + 10 * DAY
    real, registry.db.clock = registry.db.clock, lambda: later
    try:
        retention.collect(registry.db, registry.blobs, registry.root, dry_run=False)
    finally:
        registry.db.clock = real
    assert registry.blobs.stat(one.entry["profile"]) is not None
    assert registry.blobs.stat(loose.digest) is None


def test_an_input_may_name_the_namespace_of_its_dataset(crew: Team) -> None:
    db, other = crew.registry.db, team(crew.registry)
    one = described()
    content = push(crew, one)
    named = {**one.entry, "name": f"{crew.namespace}/{one.entry['name']}"}
    (entry,) = find_entries([named])
    assert (entry.namespace, entry.name, entry.said["name"]) == (crew.namespace, "transactions", "transactions")

    def use(by: Team, reader: str) -> None:
        db.write(lambda tx: datasets.note_use(tx, by.contributor, by.namespace, entry, reader, "read"))

    use(crew, "run:home")
    # Who may not read the dataset adds nothing to it, and nothing of this name to a namespace of their own.
    use(other, "run:strange")
    assert len(db.read(lambda tx: list_uses(tx, [content.id], 10))) == 1
    with pytest.raises(DatasetNotFound):
        find(other, "transactions")
    db.write(
        lambda tx: datasets.note_use(tx, crew.registry.root, other.namespace, entry, "run:allowed", "read")
    )
    assert len(db.read(lambda tx: list_uses(tx, [content.id], 10))) == 2
    assert find_entries([{**one.entry, "name": "a/b/c"}, {**one.entry, "name": "fraud/"}]) == []


def test_datasets_go_with_their_namespace(crew: Team) -> None:
    db = crew.registry.db
    one = described()
    content = push(crew, one)
    (entry,) = find_entries([one.entry])
    db.write(lambda tx: datasets.note_use(tx, crew.contributor, crew.namespace, entry, "run:gone", "read"))
    assert db.read(lambda tx: list_uses(tx, [content.id], 10))
    db.write(lambda tx: catalog.delete_namespace(tx, crew.owner, crew.namespace))
    assert db.read(lambda tx: list_uses(tx, [content.id], 10)) == []
    assert content not in db.read(lambda tx: list_by_digest(tx, one.digest))


def test_a_reader_of_one_model_is_not_shown_the_dataset(crew: Team) -> None:
    one = described()
    send(crew, one)
    number = crew.push(data=[one.entry])
    outsider = crew.stranger

    def grant(tx: Any) -> None:
        model = catalog.find_model(tx, crew.owner, ModelName.parse(crew.model))
        at = access.Holding(
            model.place, catalog.namespace_holding(tx, crew.owner, crew.namespace).namespace_id, model.id
        )
        access.grant_role(tx, crew.owner, at, outsider.name, Role.READER)

    crew.registry.db.write(grant)
    ref = Ref(ModelName.parse(crew.model), number)
    assert crew.registry.db.read(lambda tx: versions.show_version(tx, outsider, ref))
    with pytest.raises(NamespaceNotFound):
        find(crew, "transactions", actor=outsider)


# --- the door --------------------------------------------------------------------------------------------


def door_push(door: Door, space: str, one: Described) -> Any:
    if one.profile:
        door.send(one.profile)
    return door.call("POST", f"namespaces/{space}/datasets", json={"entry": one.entry})


def test_every_route_of_datasets_answers(door: Door, model: str) -> None:
    space = model.partition("/")[0]
    one, two = described("sales 2026 Ü"), described("sales 2026 Ü", seed=1, shift=2.0)
    made = door.register(model, facts={"data": [{**one.entry, "split": "train"}]})
    answer = door_push(door, space, one)
    assert answer.status_code == 201, answer.text
    assert door_push(door, space, two).status_code == 201
    base = f"namespaces/{space}/datasets"
    listed = door.get(base).json()
    assert [(d["name"], d["versions"], d["newest"]) for d in listed["items"]] == [
        ("sales 2026 Ü", 2, two.digest)
    ]
    name = "sales%202026%20%C3%9C"
    first = door.get(f"{base}/{name}?limit=1").json()
    assert [d["digest"] for d in first["items"]] == [two.digest]
    rest = door.get(f"{base}/{name}?limit=1&cursor={first['next_cursor']}").json()
    assert [d["digest"] for d in rest["items"]] == [one.digest]
    shown = door.get(f"{base}/{name}/{one.digest}").json()
    assert shown["rows"] == 5_000
    assert [use["node"] for use in shown["uses"]] == [made["reference"]]
    amount = next(c for c in shown["columns"] if c["name"] == "amount")
    assert amount["quantiles"][3] == pytest.approx(float(np.median(table()["amount"])), abs=0.05)
    assert door.get(f"{base}/{name}/newest").json()["dataset"]["digest"] == two.digest
    profile = door.get(f"{base}/{name}/{one.digest}/profile")
    assert profile.content == one.profile
    etag = profile.headers["etag"]
    assert door.get(f"{base}/{name}/{one.digest}/profile", headers={"if-none-match": etag}).status_code == 304
    drift = door.get(
        "dataset-drift",
        params={"before": f"{space}/sales 2026 Ü@{one.digest}", "after": f"{space}/sales 2026 Ü"},
    ).json()
    assert drift["columns"][0]["name"] == "amount"
    assert drift["columns"][0]["shift"] == "large"
    assert {c["name"]: c["shift"] for c in drift["columns"]}["steady"] == "none"
    assert len(drift["columns"][0]["histogram"]["before"]) == 10
    assert drift["overlap"]["keys_before"] == pytest.approx(5_000, rel=0.1)
    same = door.get(
        "dataset-drift", params={"before": f"{space}/sales 2026 Ü", "after": f"{space}/sales 2026 Ü"}
    )
    assert same.json()["same"]


def test_refusals_of_the_dataset_routes(door: Door, model: str) -> None:
    space = model.partition("/")[0]
    door.register(model, facts={"data": [{"name": "bare", "digest": "sha256:" + "b" * 64}]})
    assert door.get(f"namespaces/{space}/datasets/none").json()["code"] == "dataset_not_found"
    bare = door.get(f"namespaces/{space}/datasets/bare/newest")
    assert bare.status_code == 200
    assert bare.json()["columns"] == []
    assert door.get(f"namespaces/{space}/datasets/bare/newest/profile").status_code == 400
    answer = door.get("dataset-drift", params={"before": f"{space}/bare", "after": f"{space}/bare"})
    assert answer.status_code == 400
    assert "no profile" in answer.json()["detail"]
    assert (
        door.get("dataset-drift", params={"before": "a/b/c", "after": "x"}).json()["code"]
        == "invalid_reference"
    )
    broken = b"MYPROFILE1\nbroken"
    digest = door.send(broken)["digest"]
    entry = {"name": "broken", "digest": "sha256:" + "c" * 64, "profile": digest}
    assert door.call("POST", f"namespaces/{space}/datasets", json={"entry": entry}).status_code == 400
    assert door.get(f"namespaces/{space}/datasets/broken/newest").status_code == 404


def test_a_backup_carries_datasets_and_profiles(crew: Team, tmp_path: Any) -> None:
    one = described(seed=9)
    push(crew, one)
    back_up(crew.registry.db, crew.registry.blobs, tmp_path / "copy")
    store, other = MemoryStore(), Database(f"sqlite:///{tmp_path / 'other.db'}")
    try:
        restore(tmp_path / "copy", other, store)
        found = other.read(
            lambda tx: datasets.find_content(tx, crew.reader, crew.namespace, "transactions", one.digest)
        )
        assert found.profile is not None
        assert datasets.read_profile_bytes(store, found.profile) == one.profile
    finally:
        other.close()
