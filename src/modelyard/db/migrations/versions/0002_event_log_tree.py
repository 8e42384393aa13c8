"""The event log becomes a Merkle tree; events from before are hashed as they stand."""

import sqlalchemy as sa
from alembic import op

from modelyard.domain.merkle import Frontier, leaf_hash

revision = "0002"
down_revision = "0001"

_PAGE = 1000


def upgrade() -> None:
    nodes = op.create_table(
        "event_nodes",
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "position", name=op.f("pk_event_nodes")),
        sqlite_with_rowid=False,
    )
    op.add_column("event_head", sa.Column("peaks", sa.Text(), server_default="", nullable=False))
    connection = op.get_bind()
    tree = Frontier()
    while True:
        page = connection.execute(
            sa.text("SELECT seq, body FROM events WHERE seq >= :start ORDER BY seq LIMIT :count"),
            {"start": tree.size, "count": _PAGE},
        ).all()
        if not page:
            break
        found = []
        for seq, body in page:
            if seq != tree.size:
                raise RuntimeError(f"the event log lacks event {tree.size}: restore it from a backup first")
            found.extend(tree.append(leaf_hash(body.encode())))
        connection.execute(
            nodes.insert(),
            [{"level": node.level, "position": node.position, "hash": node.hash} for node in found],
        )
    connection.execute(
        sa.text("UPDATE event_head SET size = :size, peaks = :peaks WHERE id = 1"),
        {"size": tree.size, "peaks": tree.to_text()},
    )
    from modelyard.db import schema

    schema.create_log_guards(connection)


def downgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        for verb in ("update", "delete"):
            op.execute(f"DROP TRIGGER events_keep_{verb}")
    else:
        op.execute("DROP TRIGGER events_keep ON events")
    op.drop_table("event_nodes")
    if connection.dialect.name != "sqlite":
        op.execute("DROP FUNCTION refuse_log_change")
    op.drop_column("event_head", "peaks")
