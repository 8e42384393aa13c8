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
from modelyard.domain.merkle import Frontier, leaf_hash


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


def old_log(db: Database, bodies: list[str], lost: tuple[int, int] | None = None) -> None:
    """A database at revision 0009 whose log holds these events. lost: the node (level, position) to leave out."""
    tree = Frontier()
    with db.connect_for_migration() as connection:
        schema.create_at(connection, "0009")
        for seq, body in enumerate(bodies):
            connection.execute(
                sa.text(
                    "INSERT INTO events (seq, at, kind, actor_id, actor, body)"
                    " VALUES (:seq, :seq, 'x', 1, 'ada', :body)"
                ),
                {"seq": seq, "body": body},
            )
            nodes = [n for n in tree.append(leaf_hash(body.encode())) if (n.level, n.position) != lost]
            for node in nodes:
                connection.execute(
                    sa.text(
                        "INSERT INTO event_nodes (level, position, hash) VALUES (:level, :position, :hash)"
                    ),
                    node._asdict(),
                )
        connection.execute(
            sa.text("UPDATE event_head SET size = :size, peaks = :peaks"),
            {"size": tree.size, "peaks": tree.to_text()},
        )


def test_the_log_is_kept_when_its_rows_are_put_in_order(fresh_url: str) -> None:
    bodies = [f"event {n}" for n in range(2_100)]
    db = Database(fresh_url)
    old_log(db, bodies)
    schema.ensure_schema(db)
    growing = Frontier()
    nodes = [node.hash for body in bodies for node in growing.append(leaf_hash(body.encode()))]
    with db.connect_for_migration() as connection:
        stored = connection.execute(sa.text("SELECT place, hash FROM event_nodes ORDER BY place")).all()
        assert [(place, bytes(value)) for place, value in stored] == list(enumerate(nodes))
        events = connection.execute(sa.text("SELECT seq, actor, body FROM events ORDER BY seq")).all()
        assert [tuple(row) for row in events] == [(n, "ada", body) for n, body in enumerate(bodies)]
    for verb in ("UPDATE events SET actor = 'eve'", "DELETE FROM event_nodes"):
        with pytest.raises(sa.exc.DBAPIError, match="append-only"), db.connect_for_migration() as connection:
            connection.execute(sa.text(verb))
    db.close()


def test_a_log_that_lacks_a_node_is_not_migrated_and_left_as_it_is(fresh_url: str) -> None:
    db = Database(fresh_url)
    old_log(db, ["a", "b", "c"], lost=(0, 1))
    with pytest.raises(RuntimeError, match="lacks node 1"):
        schema.ensure_schema(db)
    with db.connect_for_migration() as connection:
        assert schema.stored_revision(connection) == "0009"
        assert connection.execute(sa.text("SELECT count(*) FROM event_nodes WHERE level = 0")).scalar_one() == 2
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


def test_scans_and_trust_of_before_are_kept_and_files_of_runs_wait_for_theirs(fresh_url: str) -> None:
    db = Database(fresh_url)
    rows = [
        "INSERT INTO actors (id, name, kind, created_at) VALUES (1, 'ada', 'user', 1)",
        "INSERT INTO namespaces (id, name, visibility, created_at, created_by) VALUES (1, 'team', 'private', 1, 1)",
        "INSERT INTO scan_trusts (namespace_id, name, at, actor_id) VALUES (1, 'a.B', 1, 1)",
        "INSERT INTO experiments (id, namespace_id, name, created_at, created_by, updated_at)"
        " VALUES (1, 1, 'trees', 1, 1, 1)",
        "INSERT INTO runs (id, uid, namespace_id, experiment_id, name, status, started_at, heard_at, created_at,"
        " created_by) VALUES (1, 'u', 1, 1, 'n', 'running', 1, 1, 1, 1)",
    ]
    rows += [
        "INSERT INTO blobs (digest, size_bytes, state, created_at, touched_at, facts, scan)"
        f" VALUES ('{digest}', 1, 'live', 1, 1, {facts}, {scan})"
        for digest, facts, scan in (
            ("card", '\'{"card":"words","sections":{}}\'', "''"),
            ("model", "'{\"facts\":{}}'", "''"),
            ("logged", "NULL", "NULL"),
        )
    ]
    rows.append(
        "INSERT INTO run_artifacts (run_id, path, digest, size_bytes, at) VALUES (1, 'm.pkl', 'logged', 1, 1)"
    )
    with db.connect_for_migration() as connection:
        schema.create_at(connection, "0012")
        for row in rows:
            connection.execute(sa.text(row))
    schema.ensure_schema(db)
    with db.connect_for_migration() as connection:

        def read(query: str) -> list[tuple[Any, ...]]:
            return [tuple(row) for row in connection.execute(sa.text(query))]

        assert read("SELECT digest, reader FROM blob_facts") == [("card", "card")]
        assert read("SELECT digest, scan, scan_rules FROM blobs ORDER BY digest") == [
            ("card", "", 0),
            ("logged", None, 0),
            ("model", "", 0),
        ]
        assert read("SELECT kind, key, payload, share FROM jobs") == [
            ("scan", "logged", '{"digest":"logged"}', "team")
        ]
        assert read("SELECT name, alone, confirmed_by FROM scan_trusts") == [("a.B", 1, None)]
        assert read("SELECT serve_unknown FROM namespaces") == [(0,)]
    db.close()


def test_pending_deliveries_of_before_are_one_job_for_each_subscription_and_model(fresh_url: str) -> None:
    db = Database(fresh_url)
    rows = [
        "INSERT INTO actors (id, name, kind, created_at) VALUES (1, 'ada', 'user', 1)",
        "INSERT INTO subscriptions (id, kind, target, namespace, state, next_seq, created_at, created_by)"
        " VALUES (7, 'webhook', 'https://example.org', 'team', 'active', 9, 1, 1)",
    ]
    rows += [
        "INSERT INTO deliveries (subscription_id, seq, lane, state, due_at, leased_until, created_at)"
        f" VALUES (7, {seq}, {lane}, '{state}', {due}, 5, 1)"
        for seq, lane, state, due in (
            (1, 3, "done", 1),
            (2, 3, "pending", 40),
            (3, 3, "pending", 20),
            (4, 4, "dead", 1),
            (5, 0, "pending", 9),
        )
    ]
    with db.connect_for_migration() as connection:
        schema.create_at(connection, "0014")
        for row in rows:
            connection.execute(sa.text(row))
    schema.ensure_schema(db)
    query = sa.text("SELECT kind, key, payload, namespace, share, state, due_at FROM jobs ORDER BY key")
    found = [tuple(row) for row in db.read(lambda tx: tx.rows(query))]
    assert found == [
        ("deliver", "7/0", '{"subscription":7,"lane":0}', "team", "subscription 7", "waiting", 9),
        ("deliver", "7/3", '{"subscription":7,"lane":3}', "team", "subscription 7", "waiting", 20),
    ]
    db.close()
