"""A migrated database equals a fresh one, on both."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory

from modelyard.db import schema
from modelyard.db.engine import Database
from modelyard.db.tables import metadata
from modelyard.domain.errors import Conflict


def index_text(index: Any) -> str:
    """With the condition of a partial index, which an inspector gives as an object."""
    options = {name: str(value) for name, value in index.get("dialect_options", {}).items()}
    return str({**index, "dialect_options": options})


def describe(db: Database) -> dict[str, Any]:
    """Everything an inspector tells of all tables, by name."""
    with db.connect_for_migration() as connection:
        found = sa.inspect(connection)
        tables = {}
        for table in sorted(found.get_table_names()):
            tables[table] = {
                "columns": [
                    (c["name"], str(c["type"]), c["nullable"], str(c["default"]).replace("::text", ""))
                    for c in found.get_columns(table)
                ],
                "primary key": found.get_pk_constraint(table),
                "foreign keys": sorted(map(str, found.get_foreign_keys(table))),
                "unique": sorted(map(str, found.get_unique_constraints(table))),
                "indexes": sorted(map(index_text, found.get_indexes(table))),
            }
        return tables


def migrated(url: str) -> Database:
    db = Database(url)
    with db.connect_for_migration() as connection:
        schema.migrate(connection)
    return db


def test_migrated_equals_fresh(fresh_url: str, tmp_path_factory: pytest.TempPathFactory, request: Any) -> None:
    old = migrated(fresh_url)
    if fresh_url.startswith("sqlite"):
        other = f"sqlite:///{tmp_path_factory.mktemp('m') / 'other.db'}"
    else:
        other = request.getfixturevalue("postgres_server").create_database()
    new = Database(other)
    assert schema.ensure_schema(new) == "created"
    assert describe(old) == describe(new)
    assert schema.ensure_schema(old) is None
    old.close()
    new.close()


def test_the_newest_migration_is_the_head_that_a_fresh_database_gets() -> None:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [schema.HEAD]


def test_every_table_is_migrated(fresh_url: str) -> None:
    db = migrated(fresh_url)
    assert set(metadata.tables) <= set(describe(db))
    db.close()


def test_a_database_of_a_newer_release_is_refused_and_left_alone(fresh_url: str) -> None:
    db = Database(fresh_url)
    schema.ensure_schema(db)
    with db.connect_for_migration() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Conflict, match="9999"):
        schema.ensure_schema(db)
    with db.connect_for_migration() as connection:
        assert schema.stored_revision(connection) == "9999"
    db.close()
