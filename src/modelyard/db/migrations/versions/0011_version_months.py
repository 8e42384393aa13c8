"""What home and the measures read: the sums of versions by month, and indexes of promotions and of running runs."""

import json
from collections import defaultdict

import sqlalchemy as sa
from alembic import op

from modelyard.domain.record import known_facts
from modelyard.domain.times import month_of

revision = "0011"
down_revision = "0010"

_BATCH = 1000


def upgrade() -> None:
    big = sa.Integer() if op.get_bind().dialect.name == "sqlite" else sa.BigInteger()
    op.create_table(
        "version_months",
        sa.Column("month", sa.Integer(), nullable=False),
        sa.Column("model_id", big, nullable=False),
        sa.Column("actor_id", big, nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("registered", sa.BigInteger(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("new_bytes", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name="fk_version_months_model_id"),
        sa.ForeignKeyConstraint(["actor_id"], ["actors.id"], name="fk_version_months_actor_id"),
        sa.PrimaryKeyConstraint("month", "model_id", "actor_id", "facts", name="pk_version_months"),
    )
    op.create_index(
        "ix_promotions_stage_kind",
        "promotions",
        ["stage", "kind", "state", "opened_at", "closed_at", "version_id", "model_id"],
    )
    is_running = sa.text("status = 'running'")
    op.create_index("ix_runs_running", "runs", ["id"], sqlite_where=is_running, postgresql_where=is_running)
    _fill(op.get_bind())


def _fill(connection: sa.Connection) -> None:
    """Sum up the versions that are there. A content is new with the first version of its namespace that has it."""
    new_bytes: dict[int, int] = {
        version_id: int(total)
        for version_id, total in connection.execute(
            sa.text(
                "SELECT first, SUM(size_bytes) FROM (SELECT MIN(v.id) AS first, MAX(f.size_bytes) AS size_bytes "
                "FROM versions v JOIN models m ON m.id = v.model_id "
                "JOIN manifest_files f ON f.manifest_id = v.manifest_id GROUP BY m.namespace_id, f.digest) firsts "
                "GROUP BY first"
            )
        )
    }
    sums: dict[tuple[int, int, int, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    reached = 0
    while rows := connection.execute(
        sa.text(
            "SELECT v.id, v.model_id, v.created_by, v.created_at, v.record, f.size_bytes FROM versions v "
            "JOIN manifests f ON f.id = v.manifest_id WHERE v.id > :reached ORDER BY v.id LIMIT :batch"
        ),
        {"reached": reached, "batch": _BATCH},
    ).all():
        for version_id, model_id, actor_id, at, record, size_bytes in rows:
            found = sums[month_of(at), model_id, actor_id, known_facts(json.loads(record))]
            found[0] += 1
            found[1] += size_bytes
            found[2] += new_bytes.get(version_id, 0)
        reached = rows[-1][0]
    insert = sa.text(
        "INSERT INTO version_months (month, model_id, actor_id, facts, registered, size_bytes, new_bytes) "
        "VALUES (:month, :model_id, :actor_id, :facts, :registered, :size_bytes, :new_bytes)"
    )
    names = ("month", "model_id", "actor_id", "facts", "registered", "size_bytes", "new_bytes")
    values = [dict(zip(names, (*key, *numbers), strict=True)) for key, numbers in sums.items()]
    for begin in range(0, len(values), _BATCH):
        connection.execute(insert, values[begin : begin + _BATCH])
