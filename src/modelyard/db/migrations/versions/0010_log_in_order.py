"""Rows of the event log lie in the order in which they are made.

Its nodes were spread over the levels of the tree, so that every commit touched a page for each level; on SQLite
the events' number was an index beside the table and is now the place in the table itself.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from modelyard.domain.merkle import Frontier, node_place

revision = "0010"
down_revision = "0009"

_PAGE = 1000


def upgrade() -> None:
    _drop_guards()
    op.rename_table("event_nodes", "old_event_nodes")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE old_event_nodes RENAME CONSTRAINT pk_event_nodes TO pk_old_event_nodes")
    nodes = op.create_table(
        "event_nodes",
        sa.Column("place", _big_id(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("place", name=op.f("pk_event_nodes")),
    )
    tree = Frontier()
    while True:
        leaves = _rows(
            "SELECT position, hash FROM old_event_nodes WHERE level = 0 AND position >= :start"
            " ORDER BY position LIMIT :count",
            start=tree.size,
            count=_PAGE,
        )
        if not leaves:
            break
        found = []
        for position, leaf in leaves:
            if position != tree.size:
                raise RuntimeError(f"the event log lacks node {tree.size}: restore it from a backup first")
            found.extend(tree.append(bytes(leaf)))
        op.bulk_insert(
            nodes, [{"place": node_place(level, position), "hash": value} for level, position, value in found]
        )
    op.drop_table("old_event_nodes")
    if op.get_bind().dialect.name == "sqlite":
        _store_events_by(_big_id())
    _create_guards()


def downgrade() -> None:
    _drop_guards()
    op.rename_table("event_nodes", "new_event_nodes")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE new_event_nodes RENAME CONSTRAINT pk_event_nodes TO pk_new_event_nodes")
    nodes = op.create_table(
        "event_nodes",
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "position", name=op.f("pk_event_nodes")),
        sqlite_with_rowid=False,
    )
    tree = Frontier()
    for (size,) in _rows("SELECT size FROM event_head WHERE id = 1"):
        for start in range(0, size, _PAGE):
            places = {node_place(0, leaf) for leaf in range(start, min(start + _PAGE, size))}
            stored = _rows(
                "SELECT place, hash FROM new_event_nodes WHERE place BETWEEN :first AND :last ORDER BY place",
                first=min(places),
                last=max(places),
            )
            found = [node for place, leaf in stored if place in places for node in tree.append(bytes(leaf))]
            op.bulk_insert(nodes, [node._asdict() for node in found])
    op.drop_table("new_event_nodes")
    if op.get_bind().dialect.name == "sqlite":
        _store_events_by(sa.BigInteger())
    _create_guards()


def _store_events_by(number: sa.types.TypeEngine[int]) -> None:
    """SQLite takes a table's key for the place of its rows only where its type is the word INTEGER."""
    for name in ("actor_id_seq", "kind_seq", "model_id_seq"):
        op.drop_index(f"ix_events_{name}", "events")
    op.rename_table("events", "old_events")
    op.create_table(
        "events",
        sa.Column("seq", number, autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("actor_id", _big_id(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("namespace", sa.Text(), nullable=True),
        sa.Column("model_id", _big_id(), server_default="0", nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_events")),
    )
    op.execute(
        "INSERT INTO events (seq, at, kind, actor_id, actor, namespace, model_id, version, body)"
        " SELECT seq, at, kind, actor_id, actor, namespace, model_id, version, body FROM old_events ORDER BY seq"
    )
    op.drop_table("old_events")
    for name in ("actor_id", "kind", "model_id"):
        op.create_index(f"ix_events_{name}_seq", "events", [name, "seq"], unique=False)


def _drop_guards() -> None:
    for table in ("events", "event_nodes"):
        if op.get_bind().dialect.name == "sqlite":
            for verb in ("update", "delete"):
                op.execute(f"DROP TRIGGER {table}_keep_{verb}")
        else:
            op.execute(f"DROP TRIGGER {table}_keep ON {table}")
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP FUNCTION refuse_log_change")


def _create_guards() -> None:
    from modelyard.db import schema

    schema.create_log_guards(op.get_bind())


def _big_id() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _rows(statement: str, **parameters: int) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in op.get_bind().execute(sa.text(statement), parameters)]
