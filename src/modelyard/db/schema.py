"""Bring a database to this release's schema.

A new database gets all tables at once; an older one runs the migrations. A test checks that the results are
equal. A database that is newer than this release is refused.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from modelyard.db.engine import Database
from modelyard.db.log import count_migration
from modelyard.db.row_notes import create_key, create_note_triggers
from modelyard.db.tables import SEARCH_TABLE, event_head, events, metadata
from modelyard.domain.errors import Conflict

HEAD = "0024"
"""The newest revision in migrations/versions/, which a test checks."""

MIGRATIONS = Path(__file__).parent / "migrations"

_REVISION_TABLE = sa.Table(
    "alembic_version",
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)

# The key of PostgreSQL's transaction-level lock; any number that nothing else uses.
_MIGRATION_LOCK = 0x6D6F64656C


def ensure_schema(database: Database) -> str | None:
    """Create or migrate the tables. Returns 'created', 'migrated from …', or None if there was nothing to do.

    Raises Conflict for a database that a newer release has migrated.
    """
    with database.connect_for_migration() as connection:
        if connection.dialect.name != "sqlite":
            connection.execute(sa.text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
        present = stored_revision(connection)
        if present == HEAD:
            return None
        if present is None:
            create_schema(connection)
            return "created"
        migrate(connection)
        create_note_triggers(connection)
        count_migration(connection)
        return f"migrated from {present}"


def stored_revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.select(_REVISION_TABLE.c.version_num)).scalar_one_or_none()


def create_schema(connection: sa.Connection) -> None:
    """Create all tables of this release in an empty database."""
    metadata.create_all(connection)
    create_search_table(connection)
    create_log_guards(connection)
    create_note_triggers(connection)
    create_key(connection)
    connection.execute(event_head.insert().values(id=1, size=0))
    _REVISION_TABLE.create(connection)
    connection.execute(_REVISION_TABLE.insert().values(version_num=HEAD))


def create_at(connection: sa.Connection, revision: str) -> None:
    """Create the tables of this or an earlier revision in an empty database. Raises Conflict for an unknown one."""
    if revision == HEAD:
        create_schema(connection)
    else:
        migrate(connection, revision)


def create_search_table(connection: sa.Connection) -> None:
    """Create the full-text index: another kind of table on each database, with the same token rules on both."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(
            f"CREATE VIRTUAL TABLE {SEARCH_TABLE} USING fts5(words, tokenize='unicode61 remove_diacritics 2')"
        )
        return
    connection.exec_driver_sql(f"CREATE TABLE {SEARCH_TABLE} (rowid BIGINT PRIMARY KEY, words TEXT NOT NULL)")
    connection.exec_driver_sql(
        f"CREATE INDEX ix_{SEARCH_TABLE}_words ON {SEARCH_TABLE} USING gin (to_tsvector('simple', words))"
    )


REDACTING = "log.redacting"
"""The fact of the server that a redaction writes before it changes events, and removes in the same transaction."""


def create_log_guards(connection: sa.Connection) -> None:
    """Create triggers that refuse to change or delete events.

    They prevent mistakes; against the owner of the database only the tree and its checkpoints protect. The body of an
    event may change while the transaction holds the fact REDACTING, which only a redaction writes.
    """
    is_sqlite = connection.dialect.name == "sqlite"
    equals = "IS" if is_sqlite else "IS NOT DISTINCT FROM"
    same = (
        f"NEW.{column.name} {equals} OLD.{column.name}" for column in events.columns if column.name != "body"
    )
    is_redaction = " AND ".join(("EXISTS (SELECT 1 FROM server_facts WHERE key = 'log.redacting')", *same))
    if is_sqlite:
        for table in ("events", "event_nodes"):
            for verb in ("UPDATE", "DELETE"):
                is_allowed = is_redaction if (table, verb) == ("events", "UPDATE") else "0"
                connection.exec_driver_sql(
                    f"CREATE TRIGGER {table}_keep_{verb.lower()} BEFORE {verb} ON {table} WHEN NOT ({is_allowed}) "
                    "BEGIN SELECT RAISE(ABORT, 'the event log is append-only'); END"
                )
        return
    connection.exec_driver_sql(
        "CREATE FUNCTION refuse_log_change() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN IF TG_TABLE_NAME = 'events' AND TG_OP = 'UPDATE' THEN IF {is_redaction} THEN "
        "RETURN NEW; END IF; END IF; RAISE EXCEPTION 'the event log is append-only'; END $$"
    )
    for table in ("events", "event_nodes"):
        connection.exec_driver_sql(
            f"CREATE TRIGGER {table}_keep BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_log_change()"
        )


def migrate(connection: sa.Connection, target: str = "head") -> None:
    """Run the migrations up to `target` on an open transaction."""
    # Importing Alembic costs half a second, and most starts have nothing to migrate.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, target)
    except CommandError as exc:
        raise Conflict(
            reason=f"the database is at revision {stored_revision(connection)}, which this release does not know",
            fix="Start the release that wrote it, or restore a backup that this release can read",
        ) from exc
