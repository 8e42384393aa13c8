"""Backup of a whole registry into a folder, and restore from such a folder.

    backup.json                 written last: without it the folder is not a backup
    tables/<name>.jsonl         one JSON array per row, columns in the order of backup.json; later backups into the
                                same folder alternate between tables.other/ and tables/
    blobs/sha256/ab/<64 hex>    the bytes, unchanged
    secret.key                  the server's secret, unless it is a setting; it is not in a table
    checkpoint.txt              the event log's signed checkpoint

The tables are a consistent snapshot; the bytes are copied after it, and bytes never change. If a version is
deleted and its bytes are collected in between, the snapshot is taken again. The format is the same for SQLite
and PostgreSQL, a folder and a bucket, so a backup also moves a registry from one to the other. A later backup
into the same folder copies only new bytes, and the earlier one stays valid until it is complete.
Decision record 0008.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from modelyard import __version__
from modelyard.blobs.filesystem import FilesystemStore
from modelyard.blobs.store import BlobStore
from modelyard.db import schema
from modelyard.db.engine import Database
from modelyard.db.tables import (
    SEARCH_TABLE,
    blobs,
    manifest_files,
    metadata,
    models,
    namespaces,
    server_facts,
    versions,
    withheld_bytes,
)
from modelyard.db.tables.uploads import DAMAGED, KEPT
from modelyard.db.transaction import Transaction
from modelyard.domain.digest import Digest
from modelyard.domain.errors import BlobCorrupt, BlobNotFound, Conflict, DigestMismatch, Invalid, SizeMismatch
from modelyard.domain.times import MICROSECONDS
from modelyard.registry.keyring import SECRET_FACT

FORMAT = 1
BESIDE = ("secret.key", "checkpoint.txt")
_TABLE_FOLDERS = ("tables", "tables.other")
_MOST_ATTEMPTS = 5
_ROWS = 1000
_MOST_NAMED = 100
_BACKUP_FACT = "backup.made_at"

Progress = Callable[[str, int, int], None]
"""(kind of items being copied, number done, total number)."""


def _silent(_what: str, _done: int, _all: int) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Summary:
    """Totals of a backup or a restore."""

    revision: str
    tables: int
    rows: int
    blobs: int
    size_bytes: int
    copied_blobs: int
    """Number of `blobs` that no earlier backup had copied."""
    damaged: tuple[str, ...] = ()
    """Digests of files whose bytes are damaged or missing; everything else is intact."""


def back_up(
    db: Database,
    store: BlobStore,
    folder: Path,
    progress: Progress = _silent,
    beside: Mapping[str, bytes] | None = None,
) -> Summary:
    """Write a backup into `folder`, which must be new, empty, or hold an earlier backup of the same registry.

    beside: additional files of the backup, with names from BESIDE.

    Safe while the registry is in use. Damaged or missing bytes are listed, and everything else is backed up.
    Raises Conflict if the folder holds anything else.
    """
    _check_target(folder)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    earlier = _tables_of_earlier(folder)
    chosen = next(name for name in _TABLE_FOLDERS if name != earlier)
    copy = FilesystemStore(folder)
    copied = 0
    for _ in range(_MOST_ATTEMPTS):
        described = db.snapshot(lambda tx: _write_tables(tx, folder / chosen, progress))
        wanted = described.pop("blobs")
        for digest in described.pop("withheld"):
            # An earlier backup in this folder may hold those bytes.
            copy.delete(digest)
        gone, now, damaged = _copy_blobs(db, store, copy, wanted, progress)
        copied += now
        if not gone:
            break
    else:
        raise Conflict(
            reason="versions are being deleted faster than they can be backed up",
            fix="Run the backup again after the deletions",
        )
    size = sum(wanted.values())
    described |= {
        "format": FORMAT,
        "tables_in": chosen,
        "release": __version__,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "blobs": len(wanted),
        "size_bytes": size,
        "damaged": damaged,
    }
    for name, content in (beside or {}).items():
        _write_durably(folder / name, content)
    _write_durably(folder / "backup.json", json.dumps(described, indent=1).encode())
    if earlier is not None:
        shutil.rmtree(folder / earlier, ignore_errors=True)
    tables: dict[str, Any] = described["tables"]
    rows = sum(table["rows"] for table in tables.values())
    return Summary(described["revision"], len(tables), rows, len(wanted), size, copied, tuple(damaged))


def note_backup(db: Database) -> None:
    """Note in the database that a backup was made now, for /metrics. The server may be running."""
    with db.connect_for_migration() as connection:
        connection.execute(server_facts.delete().where(server_facts.c.key == _BACKUP_FACT))
        connection.execute(server_facts.insert().values(key=_BACKUP_FACT, value=str(db.clock())))


def backup_age_seconds(tx: Transaction) -> float | None:
    """Return the time since the last backup; None: there was none yet."""
    query = sa.select(server_facts.c.value).where(server_facts.c.key == _BACKUP_FACT)
    made_at = tx.execute(query).scalar_one_or_none()
    return None if made_at is None else (tx.now - int(made_at)) / MICROSECONDS


def _tables_of_earlier(folder: Path) -> str | None:
    """Return the tables' folder of the finished backup; None: there is no finished backup."""
    try:
        return _folder_of_tables(json.loads((folder / "backup.json").read_bytes()))
    except (FileNotFoundError, ValueError):
        return None


def _folder_of_tables(described: dict[str, Any]) -> str:
    """Check the name, which came from a file. Raises ValueError for any name but our own."""
    name = str(described.get("tables_in", _TABLE_FOLDERS[0]))
    if name not in _TABLE_FOLDERS:
        raise ValueError(f"{name[:40]!r} is not a folder of tables")
    return name


def _check_target(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise Conflict(reason=f"{folder} is not a folder", fix="Name a new or empty folder")
    known = {"backup.json", "blobs", *_TABLE_FOLDERS, *BESIDE}
    strange = sorted(path.name for path in folder.iterdir() if path.name not in known)
    if strange:
        raise Conflict(reason=f"{folder} holds other files ({strange[0]})", fix="Name a new or empty folder")


def _write_tables(tx: Transaction, folder: Path, progress: Progress) -> dict[str, Any]:
    """Dump every table. Return their entries for backup.json, `blobs`: digest → size in bytes, `withheld`: digests."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    described: dict[str, Any] = {}
    sources: list[Any] = [*metadata.sorted_tables, _search_table()]
    for position, table in enumerate(sources):
        progress("tables", position, len(sources))
        columns = [column.name for column in table.columns]
        digest, rows = hashlib.sha256(), 0
        with (folder / f"{table.name}.jsonl").open("wb") as file:
            query = sa.select(*table.columns)
            if table is server_facts:
                query = query.where(server_facts.c.key.not_in((SECRET_FACT, _BACKUP_FACT)))
            for row in tx.execute(query.execution_options(yield_per=_ROWS)):
                line = json.dumps([_to_json(value) for value in row], ensure_ascii=False).encode() + b"\n"
                file.write(line)
                digest.update(line)
                rows += 1
            file.flush()
            os.fsync(file.fileno())
        described[table.name] = {"rows": rows, "columns": columns, "sha256": digest.hexdigest()}
    # Including damaged ones: an earlier backup in this folder may hold them intact.
    kept = sa.select(blobs.c.digest, blobs.c.size_bytes).where(blobs.c.state.in_(KEPT))
    wanted = {Digest(digest): size for digest, size in tx.rows(kept)}
    withheld = [Digest(row[0]) for row in tx.rows(sa.select(withheld_bytes.c.digest))]
    revision = schema.stored_revision(tx.connection)
    return {"revision": revision, "tables": described, "blobs": wanted, "withheld": withheld}


def _search_table() -> sa.TableClause:
    return sa.table(SEARCH_TABLE, sa.column("rowid"), sa.column("words"))


def _to_json(value: Any) -> Any:
    return {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes | memoryview) else value


def _from_json(value: Any) -> Any:
    return base64.b64decode(value["base64"]) if isinstance(value, dict) else value


def _copy_blobs(
    db: Database, store: BlobStore, copy: BlobStore, wanted: dict[Digest, int], progress: Progress
) -> tuple[int, int, list[str]]:
    """Return (number deleted meanwhile, number copied, digests damaged or missing)."""
    gone = copied = 0
    damaged: list[str] = []
    for position, (digest, size) in enumerate(wanted.items()):
        progress("blobs", position, len(wanted))
        present = copy.stat(digest)
        if present is not None and present.size_bytes == size:
            continue
        try:
            with store.open(digest) as reader:
                copy.put(reader.chunks(), digest, size)
        except (BlobCorrupt, DigestMismatch, SizeMismatch):
            damaged.append(digest)
        except BlobNotFound:
            if _is_kept(db, digest):
                damaged.append(digest)
            else:
                gone += 1
        else:
            copied += 1
    return gone, copied, damaged


def files_named(db: Database, digests: Sequence[str]) -> list[str]:
    """Return the files of versions with these bytes, as `namespace/name:version path`."""
    query = (
        sa.select(namespaces.c.name, models.c.name, versions.c.number, manifest_files.c.path)
        .select_from(manifest_files)
        .join(versions, versions.c.manifest_id == manifest_files.c.manifest_id)
        .join(models, models.c.id == versions.c.model_id)
        .join(namespaces, namespaces.c.id == models.c.namespace_id)
        .where(manifest_files.c.digest.in_(digests))
        .order_by(namespaces.c.name, models.c.name, versions.c.number, manifest_files.c.path)
        .limit(_MOST_NAMED)
    )
    rows = db.read(lambda tx: tx.rows(query))
    return [f"{namespace}/{name}:{number} {path}" for namespace, name, number, path in rows]


def _is_kept(db: Database, digest: Digest) -> bool:
    query = sa.select(blobs.c.state).where(blobs.c.digest == digest)
    return db.read(lambda tx: tx.execute(query).scalar_one_or_none()) in KEPT


def _write_durably(path: Path, data: bytes) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.unlink(missing_ok=True)
    temporary.touch(0o600)
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


# --- restore -----------------------------------------------------------------------------------------


def restore(folder: Path, db: Database, store: BlobStore, progress: Progress = _silent) -> Summary:
    """Restore a registry from a backup. The database must be new; bytes are verified while they are copied.

    The bytes come first, then the tables in one transaction, so an interrupted restore can simply be run again.
    Raises Invalid for a damaged or unknown backup, Conflict for a database that is not empty.
    """
    described = _read_description(folder)
    with db.connect_for_migration() as connection:
        if schema.stored_revision(connection) is not None:
            raise Conflict(
                reason="the database already holds a registry",
                fix="Restore into a new data folder or an empty database",
            )
    copied = _restore_blobs(folder, store, described, progress)
    with db.connect_for_migration() as connection:
        # An older backup is read with the tables it was made from, and then migrated.
        schema.create_at(connection, described["revision"])
        _restore_tables(connection, folder, described, progress)
        schema.migrate(connection)
        # Pushing the same file repairs them.
        for digest in described.get("damaged", ()):
            connection.execute(blobs.update().where(blobs.c.digest == digest).values(state=DAMAGED))
    tables: dict[str, Any] = described["tables"]
    rows = sum(table["rows"] for table in tables.values())
    return Summary(
        described["revision"], len(tables), rows, described["blobs"], described["size_bytes"], copied
    )


def _read_description(folder: Path) -> dict[str, Any]:
    try:
        described: dict[str, Any] = json.loads((folder / "backup.json").read_bytes())
    except FileNotFoundError:
        raise Invalid(
            reason=f"{folder} is not a finished backup", fix="Name the folder given to: modelyard backup"
        ) from None
    except ValueError:
        raise Invalid(reason=f"{folder / 'backup.json'} is damaged", fix="Use another backup") from None
    if described.get("format") != FORMAT:
        raise Invalid(
            reason=f"the backup has format {described.get('format')}, but this release reads {FORMAT}",
            fix="Restore with the release that made it",
        )
    try:
        tables = _folder_of_tables(described)
    except ValueError as exc:
        raise Invalid(reason=f"{folder / 'backup.json'} is damaged: {exc}", fix="Use another backup") from None
    for name, table in described["tables"].items():
        if _hash_file(folder / tables / f"{name}.jsonl") != table["sha256"]:
            raise Invalid(reason=f"{tables}/{name}.jsonl is damaged or missing", fix="Use another backup")
    return described


def _hash_file(path: Path) -> str | None:
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _restore_blobs(folder: Path, store: BlobStore, described: dict[str, Any], progress: Progress) -> int:
    source = FilesystemStore(folder)
    columns = described["tables"]["blobs"]["columns"]
    position_of = {name: columns.index(name) for name in ("digest", "size_bytes", "state")}
    copied = 0
    for row in _rows(folder, described, "blobs"):
        if row[position_of["state"]] not in KEPT:
            continue
        digest, size = Digest.parse(row[position_of["digest"]]), row[position_of["size_bytes"]]
        progress("blobs", copied, described["blobs"])
        present = store.stat(digest)
        if present is None or present.size_bytes != size:
            try:
                with source.open(digest) as reader:
                    store.put(reader.chunks(), digest, size)
            except BlobNotFound:
                if digest in described.get("damaged", ()):
                    continue
                raise Invalid(reason=f"the backup lacks the bytes {digest}", fix="Use another backup") from None
        copied += 1
    return copied


def _rows(folder: Path, described: dict[str, Any], name: str) -> Iterator[list[Any]]:
    with (folder / _folder_of_tables(described) / f"{name}.jsonl").open("rb") as file:
        for line in file:
            yield [_from_json(value) for value in json.loads(line)]


def _restore_tables(
    connection: sa.Connection, folder: Path, described: dict[str, Any], progress: Progress
) -> None:
    found = sa.MetaData()
    found.reflect(connection, only=lambda name, _: name in described["tables"] and name != SEARCH_TABLE)
    order = [table.name for table in found.sorted_tables]
    for position, name in enumerate([*order, SEARCH_TABLE]):
        progress("tables", position, len(order) + 1)
        table: Any = _search_table() if name == SEARCH_TABLE else found.tables[name]
        columns = described["tables"][name]["columns"]
        # A new database already has the single row of the event head.
        connection.execute(sa.delete(table))
        batch: list[dict[str, Any]] = []
        for row in _rows(folder, described, name):
            batch.append(dict(zip(columns, row, strict=True)))
            if len(batch) == _ROWS:
                connection.execute(sa.insert(table), batch)
                batch = []
        if batch:
            connection.execute(sa.insert(table), batch)
    if connection.dialect.name != "sqlite":
        _set_sequences(connection, found)


def _set_sequences(connection: sa.Connection, found: sa.MetaData) -> None:
    """Advance PostgreSQL's id sequences, which rows with explicit ids do not move."""
    for table in found.sorted_tables:
        if "id" not in table.columns:
            continue
        sequence = connection.execute(
            sa.text("SELECT pg_get_serial_sequence(:table, 'id')"), {"table": table.name}
        ).scalar_one_or_none()
        if sequence is not None:
            newest = sa.select(sa.func.max(table.c.id)).scalar_subquery()
            connection.execute(sa.select(sa.func.setval(sequence, sa.func.coalesce(newest, 1))))
