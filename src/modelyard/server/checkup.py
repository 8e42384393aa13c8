"""Check of a data folder, without changing it, whether or not a server runs on it."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

from modelyard.blobs.layout import FORMAT, FORMAT_KEY
from modelyard.db.schema import HEAD
from modelyard.db.tables.uploads import DAMAGED
from modelyard.server.bootstrap import LOCK_FILE

DATABASE_FILE = "modelyard.db"
_LOW_SPACE_BYTES = 1 << 30

Finding = tuple[str, str, str]
"""(subject, `ok` or `warning` or `bad`, words)"""


def check_data_folder(data: Path) -> list[Finding]:
    """Check the database's integrity and schema, the lock, the format of the bytes, and free space."""
    return [_lock(data / LOCK_FILE), *_database(data / DATABASE_FILE), _blobs(data), _space(data)]


def _lock(path: Path) -> Finding:
    if not path.exists():
        return "lock", "ok", "no server has used this folder yet"
    try:
        import fcntl
    except ImportError:
        return "lock", "ok", "this system has no file locks"
    # Shared, and released at once: a server that starts meanwhile fails only in this instant.
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return "lock", "ok", "a server runs on this folder"
    return "lock", "ok", "no server runs on this folder"


def _database(path: Path) -> list[Finding]:
    if not path.exists():
        return [("database", "warning", f"there is no {path.name}; a database elsewhere is not checked")]
    try:
        # Read-only; the write-ahead log of a killed server is read too.
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10)
        try:
            rows = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(20)")]
            foreign = connection.execute("PRAGMA foreign_key_check").fetchmany(20)
            revision = connection.execute("SELECT version_num FROM alembic_version").fetchone()
            damaged = _damaged_bytes(connection)
            miscounted = _miscounted_use(connection) if revision and revision[0] == HEAD else []
        finally:
            connection.close()
    except sqlite3.Error as exc:
        return [("database", "bad", f"{path} cannot be read: {exc}; restore a backup")]
    found: list[Finding] = []
    if rows == ["ok"] and not foreign:
        found.append(("database", "ok", f"{path} is intact"))
    else:
        words = "; ".join(rows if rows != ["ok"] else [f"{row[0]} refers to nothing" for row in foreign])
        found.append(("database", "bad", f"{words[:300]}; restore a backup"))
    found.append(_schema(revision[0] if revision else None))
    if damaged:
        words = f"{len(damaged)} stored files were found damaged so far: {', '.join(damaged[:5])}"
        found.append(("stored files", "bad", f"{words}; push the same files again, or restore a backup"))
    if miscounted:
        words = (
            f"the space that {', '.join(miscounted[:5])} use is counted wrong; correct it with: modelyard scrub"
        )
        found.append(("quotas", "warning", words))
    return found


def _miscounted_use(connection: sqlite3.Connection) -> list[str]:
    """Return the namespaces of which a counter differs from the sizes of its files."""
    rows = connection.execute(
        "SELECT n.name FROM models m JOIN namespaces n ON n.id = m.namespace_id "
        "WHERE m.version_bytes <> COALESCE((SELECT SUM(f.size_bytes) FROM versions v JOIN manifests f "
        "ON f.id = v.manifest_id WHERE v.model_id = m.id AND v.state <> 'deleted'), 0) "
        "UNION SELECT n.name FROM models m JOIN namespaces n ON n.id = m.namespace_id "
        "WHERE m.build_bytes <> COALESCE((SELECT SUM(b.counted_bytes) FROM builds b WHERE b.model_id = m.id), 0) "
        "UNION SELECT n.name FROM experiments e JOIN namespaces n ON n.id = e.namespace_id "
        "WHERE e.file_bytes <> COALESCE((SELECT SUM(a.size_bytes) FROM runs r JOIN run_artifacts a "
        "ON a.run_id = r.id WHERE r.experiment_id = e.id), 0) "
        "UNION SELECT n.name FROM datasets d JOIN namespaces n ON n.id = d.namespace_id "
        "WHERE d.profile_bytes <> COALESCE((SELECT SUM(b.size_bytes) FROM dataset_versions c JOIN blobs b "
        "ON b.digest = c.profile WHERE c.dataset_id = d.id), 0) ORDER BY 1"
    )
    return [str(row[0]) for row in rows]


def _damaged_bytes(connection: sqlite3.Connection) -> list[str]:
    """Return digests of bytes that a check or an answer found damaged."""
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'blobs'").fetchone() is None:
        return []
    rows = connection.execute("SELECT digest FROM blobs WHERE state = ? ORDER BY digest", (DAMAGED,))
    return [str(row[0]) for row in rows]


def _schema(revision: str | None) -> Finding:
    if revision == HEAD:
        return "schema", "ok", f"revision {revision}"
    if revision is not None and revision > HEAD:
        return (
            "schema",
            "bad",
            f"revision {revision} is newer than this release's {HEAD}; use the newer release",
        )
    return "schema", "warning", f"revision {revision}; the next start of the server migrates it to {HEAD}"


def _blobs(folder: Path) -> Finding:
    file = folder / FORMAT_KEY
    if not file.exists():
        return "bytes", "warning", f"there is no store in {folder}; a store elsewhere is not checked"
    line = file.read_text(errors="replace").strip()
    if line == f"modelyard blobs {FORMAT}":
        return "bytes", "ok", line
    return "bytes", "bad", f"{line[:60]!r} is not a format that this release knows"


def _space(data: Path) -> Finding:
    free = shutil.disk_usage(data).free
    state = "ok" if free > _LOW_SPACE_BYTES else "warning"
    return "disk space", state, f"{free / (1 << 30):.1f} GiB free"
