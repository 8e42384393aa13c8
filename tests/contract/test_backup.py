"""A backup taken while writing, and an identical registry made of it, across kinds of databases and stores."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from modelyard.blobs.filesystem import FilesystemStore
from modelyard.blobs.memory import MemoryStore
from modelyard.blobs.store import BlobStore
from modelyard.db.engine import Database
from modelyard.db.schema import ensure_schema
from modelyard.db.tables import SEARCH_TABLE, blobs, metadata
from modelyard.db.tables.uploads import DAMAGED
from modelyard.domain.actor import Actor
from modelyard.domain.digest import Digest
from modelyard.domain.errors import BlobNotFound, Conflict, DatabaseUnavailable, Invalid
from modelyard.domain.names import Alias, ModelName, Ref
from modelyard.registry.retention import usecases as retention
from modelyard.registry.runs import usecases as runs
from modelyard.registry.runs.rules import Artifact, BatchHeader, RecordBatch
from modelyard.registry.search import usecases as search
from modelyard.registry.search.rules import ModelSearch
from modelyard.registry.versions import aliases as version_aliases
from modelyard.registry.versions import usecases as versions
from modelyard.server.backup import back_up, backup_age_seconds, files_named, note_backup, restore
from modelyard.server.bootstrap import open_stores
from modelyard.settings import load_settings
from tests.support.registry import Registry


@pytest.fixture
def source(own_url: str, tmp_path: Path) -> Iterator[Registry]:
    db = Database(own_url)
    yield Registry(db, FilesystemStore(tmp_path / "source"))
    db.close()


def fill(registry: Registry, count: int = 5) -> None:
    for n in range(count):
        registry.register(
            registry.root,
            f"team/model{n % 2}",
            data=f"weights {n % 3}".encode(),
            facts={"metrics": {"f1": n / 10}, "params": {"n": n, "name": "Ünïcode"}},
            aliases=("champion",),
            tags={"n": str(n)},
        )
    note_run(registry)
    registry.db.write(
        lambda tx: version_aliases.remove_alias(
            tx, registry.root, Ref.parse("team/model0").model, Alias("champion")
        )
    )
    registry.db.write(lambda tx: versions.delete_version(tx, registry.root, Ref.parse("team/model0:1"), "bad"))


def note_run(registry: Registry) -> None:
    """A run with points, whose blocks are bytes, and a file."""
    file = registry.send(registry.root, b"weights 1")
    uid = "0c" * 16
    start = runs.RunStart(uid, ModelName.parse("team/trees"), "first", None, 5)
    registry.db.write(lambda tx: runs.start_run(tx, registry.root, registry.settings, start))

    def say(said: RecordBatch, _position: int) -> None:
        said.add_points("loss", list(range(600)), list(range(600)), [n / 3 for n in range(599)] + ["NaN"])
        said.artifacts["plot.png"] = Artifact("plot.png", file.digest, file.size_bytes, "image/png")
        said.log = "epoch 1\n"

    batch = BatchHeader("w", 1, 1, None)
    registry.db.write(lambda tx: runs.store_records(tx, registry.root, uid, batch, say))


def content(db: Database) -> dict[str, list[Any]]:
    """All rows of all tables, in a comparable order."""

    def read(tx: Any) -> dict[str, list[Any]]:
        found = {t.name: sorted(map(repr, tx.rows(sa.select(t)))) for t in metadata.sorted_tables}
        words = sa.select(sa.text("rowid, words")).select_from(sa.text(SEARCH_TABLE))
        return found | {SEARCH_TABLE: sorted(map(repr, tx.rows(words)))}

    return db.snapshot(read)


def restored(folder: Path, url: str, store: BlobStore) -> Database:
    db = Database(url)
    restore(folder, db, store)
    return db


def other_kind(url: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """A database of the other kind, so that every restore here also moves from one to the other."""
    if url.startswith("sqlite"):
        created: str = request.getfixturevalue("postgres_server").create_database()
        return created
    return f"sqlite:///{tmp_path / 'restored.db'}"


def test_a_restored_registry_is_identical(
    source: Registry, fresh_url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    fill(source)
    made = back_up(source.db, source.blobs, tmp_path / "backup")
    store = MemoryStore()
    db = restored(tmp_path / "backup", other_kind(fresh_url, tmp_path, request), store)
    assert content(db) == content(source.db)
    assert made.blobs == len(list(store.list())) == 3
    assert [p.damage for p in retention.scrub(db, store, source.root)][-1] == []
    # Ids and numbers go on where they were.
    again = Registry.__new__(Registry)
    again.db, again.blobs, again.settings, again.root = db, store, source.settings, source.root
    again.office = source.office
    assert again.register(again.root, "team/model1", data=b"more").version.number == 3
    assert again.user("newcomer").id > 1
    found = db.read(lambda tx: search.search_models(tx, source.root, ModelSearch(words=("model0",)), None, 5))
    assert [str(f.model.name) for f in found] == ["team/model0"]
    db.close()


def test_a_backup_while_writing_is_of_one_moment(source: Registry, tmp_path: Path) -> None:
    """Writers and the collector run all the time; the copy is whole and its events have no gap."""
    stop = threading.Event()
    failures: list[BaseException] = []

    def write(worker: int) -> None:
        n = 0
        try:
            while not stop.is_set():
                n += 1
                source.register(
                    source.root, f"team/w{worker}", data=f"{worker} {n}".encode(), facts={"params": {"n": n}}
                )
                if n % 3 == 0:
                    gone = Ref.parse(f"team/w{worker}:{n - 1}")
                    source.db.write(lambda tx, ref=gone: versions.delete_version(tx, source.root, ref))
                    retention.collect(source.db, source.blobs, source.root, grace=3_600_000_000, dry_run=False)
        except BaseException as error:  # noqa: BLE001 - asserted below
            failures.append(error)

    threads = [threading.Thread(target=write, args=(k,)) for k in range(3)]
    for thread in threads:
        thread.start()
    back_up(source.db, source.blobs, tmp_path / "backup")
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    store = MemoryStore()
    db = restored(tmp_path / "backup", f"sqlite:///{tmp_path / 'copy.db'}", store)
    rows = content(db)
    seqs = sorted(int(row.split(",")[0].strip("(")) for row in rows["events"])
    assert seqs == list(range(len(seqs)))
    assert [p.damage for p in retention.scrub(db, store, source.root)][-1] == []
    for row in db.read(lambda tx: tx.rows(sa.text("SELECT digest FROM manifest_files"))):
        assert store.stat(Digest(row[0])) is not None
    db.close()


def test_a_second_backup_copies_only_what_is_new(source: Registry, tmp_path: Path) -> None:
    fill(source)
    first = back_up(source.db, source.blobs, tmp_path / "backup")
    source.register(source.root, "team/new", data=b"new bytes")
    second = back_up(source.db, source.blobs, tmp_path / "backup")
    assert (first.copied_blobs, second.copied_blobs, second.blobs) == (3, 1, 4)
    db = restored(tmp_path / "backup", f"sqlite:///{tmp_path / 'copy.db'}", MemoryStore())
    assert content(db) == content(source.db)
    db.close()


def test_an_interrupted_backup_is_no_backup(source: Registry, tmp_path: Path) -> None:
    fill(source)

    def stop(what: str, done: int, _all: int) -> None:
        if what == "blobs" and done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        back_up(source.db, source.blobs, tmp_path / "backup", stop)
    with pytest.raises(Invalid, match="not a finished backup"):
        restored(tmp_path / "backup", f"sqlite:///{tmp_path / 'copy.db'}", MemoryStore())


def test_the_earlier_backup_stands_until_the_later_one_is_whole(source: Registry, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    fill(source)
    back_up(source.db, source.blobs, folder)
    source.register(source.root, "team/later", data=b"later")

    class Stopped(Exception):
        pass

    def stop(what: str, done: int, count: int) -> None:
        if what == "blobs":
            raise Stopped

    with pytest.raises(Stopped):
        back_up(source.db, source.blobs, folder, stop)
    for number, has_later in enumerate([False, True, True]):
        db = restored(folder, f"sqlite:///{tmp_path / f'copy{number}.db'}", MemoryStore())
        names = {row[0] for row in db.read(lambda tx: tx.rows(sa.select(metadata.tables["models"].c.name)))}
        db.close()
        assert ("later" in names) is has_later
        back_up(source.db, source.blobs, folder)
    assert len([path for path in folder.iterdir() if path.name.startswith("tables")]) == 1


def test_an_interrupted_restore_is_run_again(source: Registry, tmp_path: Path) -> None:
    fill(source)
    back_up(source.db, source.blobs, tmp_path / "backup")
    store = MemoryStore()
    db = Database(f"sqlite:///{tmp_path / 'copy.db'}")

    def stop(what: str, done: int, _all: int) -> None:
        if what == "tables" and done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restore(tmp_path / "backup", db, store, stop)
    restore(tmp_path / "backup", db, store)
    assert content(db) == content(source.db)
    with pytest.raises(Conflict, match="already holds a registry"):
        restore(tmp_path / "backup", db, store)
    db.close()


@pytest.mark.parametrize("damage", ["table", "blob", "lost blob", "description"])
def test_a_damaged_backup_is_refused(source: Registry, tmp_path: Path, damage: str) -> None:
    fill(source)
    folder = tmp_path / "backup"
    back_up(source.db, source.blobs, folder)
    copy = FilesystemStore(folder)
    one = next(copy.list()).digest
    path = copy.local_path(one)
    assert path is not None
    if damage == "table":
        with (folder / "tables" / "versions.jsonl").open("ab") as file:
            file.write(b"[]\n")
    elif damage == "blob":
        path.chmod(0o600)
        path.write_bytes(path.read_bytes()[:-1] + b"!")
    elif damage == "lost blob":
        copy.delete(one)
    else:
        described = json.loads((folder / "backup.json").read_text())
        (folder / "backup.json").write_text(json.dumps(described | {"format": 99}))
    db = Database(f"sqlite:///{tmp_path / 'copy.db'}")
    with pytest.raises(Invalid):
        restore(folder, db, MemoryStore())
    assert ensure_schema(db) == "created"
    db.close()


@pytest.mark.parametrize("how", ["gone", "changed"])
def test_damaged_bytes_are_named_and_all_else_is_backed_up(source: Registry, tmp_path: Path, how: str) -> None:
    fill(source)
    one = next(source.blobs.list()).digest
    if how == "gone":
        source.blobs.delete(one)
    else:
        path = source.blobs.local_path(one)
        assert path is not None
        path.chmod(0o600)
        path.write_bytes(path.read_bytes()[:-1] + b"!")
    folder = tmp_path / "backup"
    done = back_up(source.db, source.blobs, folder)
    assert done.damaged == (one,)
    assert files_named(source.db, done.damaged)
    assert done.copied_blobs == done.blobs - 1
    db, store = Database(f"sqlite:///{tmp_path / 'copy.db'}"), MemoryStore()
    restore(folder, db, store)
    with pytest.raises(BlobNotFound):
        store.open(one)
    state = sa.select(blobs.c.state).where(blobs.c.digest == one)
    assert db.read(lambda tx: tx.execute(state).scalar_one()) == DAMAGED
    db.close()


def test_a_backup_overwrites_nothing_else(source: Registry, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("irreplaceable")
    with pytest.raises(Conflict):
        back_up(source.db, source.blobs, tmp_path / "other")
    assert isinstance(source.root, Actor)
    assert (tmp_path / "other" / "thesis.tex").read_text() == "irreplaceable"


def test_a_note_of_the_backup_gives_its_age_and_is_not_copied(source: Registry, tmp_path: Path) -> None:
    fill(source)
    assert source.db.read(backup_age_seconds) is None
    note_backup(source.db)
    note_backup(source.db)
    age = source.db.read(backup_age_seconds)
    assert age is not None
    assert 0 <= age < 3600
    # A restored registry has no backup of its own.
    back_up(source.db, source.blobs, tmp_path / "backup")
    db = restored(tmp_path / "backup", f"sqlite:///{tmp_path / 'restored.db'}", MemoryStore())
    assert db.read(backup_age_seconds) is None
    db.close()


def test_an_operator_reads_why_a_database_does_not_answer(tmp_path: Path) -> None:
    wrong = "postgresql://modelyard:hidden-password@127.0.0.1:1/nosuch"
    settings = load_settings({"database_url": wrong, "blobs_url": f"file://{tmp_path}"}, {}, None)
    refused = pytest.raises(DatabaseUnavailable, match="the database does not answer: connection")
    with refused as caught, open_stores(settings, must_exist=False):
        pass
    assert "createdb" in caught.value.fix
    assert "hidden-password" not in caught.value.message
