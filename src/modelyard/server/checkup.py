"""Looks at a data folder without changing it, whether a server runs on it or not."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

from modelyard.blobs.layout import FORMAT, FORMAT_KEY
from modelyard.db.schema import HEAD
from modelyard.server.bootstrap import LOCK_FILE

DATABASE_FILE = "modelyard.db"
_LOW_SPACE_BYTES = 1 << 30

Finding = tuple[str, str, str]
"""(what, `ok` or `warning` or `bad`, words)"""


def check_data_folder(data: Path) -> list[Finding]:
    """The database's integrity and schema, the lock, the format of the bytes, and free space."""
    return [_lock(data / LOCK_FILE), *_database(data / DATABASE_FILE), _blobs(data), _space(data)]


def _lock(path: Path) -> Finding:
    if not path.exists():
        return "lock", "ok", "no server ever held this folder"
    try:
        import fcntl
    except ImportError:
        return "lock", "ok", "this system has no file locks"
    # Shared, and let go at once: a server that starts meanwhile fails only for this instant.
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return "lock", "ok", "a server runs on this folder"
    return "lock", "ok", "no server runs on this folder"


def _database(path: Path) -> list[Finding]:
    if not path.exists():
        return [("database", "warning", f"there is no {path.name}; a database elsewhere is not looked at")]
    try:
        # Read-only; a write-ahead log that a killed server left is read along with it.
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10)
        try:
            rows = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(20)")]
            foreign = connection.execute("PRAGMA foreign_key_check").fetchmany(20)
            revision = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        finally:
            connection.close()
    except sqlite3.Error as exc:
        return [("database", "bad", f"{path} cannot be read: {exc}; restore a backup")]
    found: list[Finding] = []
    if rows == ["ok"] and not foreign:
        found.append(("database", "ok", f"{path} is whole"))
    else:
        words = "; ".join(rows if rows != ["ok"] else [f"{row[0]} refers to nothing" for row in foreign])
        found.append(("database", "bad", f"{words[:300]}; restore a backup"))
    found.append(_schema(revision[0] if revision else None))
    return found


def _schema(revision: str | None) -> Finding:
    if revision == HEAD:
        return "schema", "ok", f"revision {revision}"
    if revision is not None and revision > HEAD:
        return (
            "schema",
            "bad",
            f"revision {revision} is newer than this release's {HEAD}; use the newer release",
        )
    return "schema", "warning", f"revision {revision}; the next start of the server brings it to {HEAD}"


def _blobs(folder: Path) -> Finding:
    file = folder / FORMAT_KEY
    if not file.exists():
        return "bytes", "warning", f"there is no store in {folder}; one elsewhere is not looked at"
    line = file.read_text(errors="replace").strip()
    if line == f"modelyard blobs {FORMAT}":
        return "bytes", "ok", line
    return "bytes", "bad", f"{line[:60]!r} is no format that this release knows"


def _space(data: Path) -> Finding:
    free = shutil.disk_usage(data).free
    state = "ok" if free > _LOW_SPACE_BYTES else "warning"
    return "disk space", state, f"{free / (1 << 30):.1f} GiB free"
