"""One durable queue; what waited for a scan or a delivery waits in it."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def _id() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    is_open = sa.text("state IN ('waiting', 'running')")
    has_started = sa.text("started_at IS NOT NULL")
    op.create_table(
        "jobs",
        sa.Column("id", _id(), autoincrement=True, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("namespace", sa.Text(), nullable=True),
        sa.Column("share", sa.Text(), server_default="", nullable=False),
        sa.Column("priority", sa.Integer(), server_default="0", nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("max_failures", sa.Integer(), nullable=True),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("leased_until", sa.BigInteger(), nullable=True),
        sa.Column("holder", sa.Text(), nullable=True),
        sa.Column("progress", sa.Float(), server_default="0", nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("cancel_asked", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
    )
    turns = ["kind", "state", "share", "priority", "due_at", "id"]
    op.create_index("ix_jobs_turns", "jobs", turns, unique=False)
    for name, columns, condition in (
        ("ix_jobs_open_key", ["key", "kind"], is_open),
        ("ix_jobs_last_turn", ["share", "kind", "started_at"], has_started),
    ):
        op.create_index(
            name,
            "jobs",
            columns,
            unique=condition is is_open,
            sqlite_where=condition,
            postgresql_where=condition,
        )
    op.create_index("ix_jobs_finished_at", "jobs", ["finished_at"], unique=False)
    _move_scans()
    _move_deliveries()


def _move_scans() -> None:
    """What nobody waits for is found again by its rules."""
    op.execute(
        "INSERT INTO jobs (kind, payload, key, namespace, share, state, due_at, created_at) "
        """SELECT 'scan', '{"digest":"' || s.digest || '"}', s.digest, n.name, n.name, 'waiting', """
        "s.asked_at, s.asked_at FROM scan_jobs s JOIN namespaces n ON n.id = s.namespace_id "
        "ORDER BY s.asked_at, s.digest"
    )
    op.drop_table("scan_jobs")


def _move_deliveries() -> None:
    """One job for each subscription and model that has something pending. What another release holds by a lease of its
    own is sent once more."""
    op.execute(
        "INSERT INTO jobs (kind, payload, key, namespace, share, state, due_at, created_at) "
        """SELECT 'deliver', '{"subscription":' || CAST(d.subscription_id AS TEXT) || ',"lane":' || """
        "CAST(d.lane AS TEXT) || '}', CAST(d.subscription_id AS TEXT) || '/' || CAST(d.lane AS TEXT), "
        "s.namespace, 'subscription ' || CAST(d.subscription_id AS TEXT), 'waiting', min(d.due_at), min(d.created_at) "
        "FROM deliveries d JOIN subscriptions s ON s.id = d.subscription_id WHERE d.state = 'pending' "
        "GROUP BY d.subscription_id, d.lane, s.namespace"
    )
    op.drop_column("deliveries", "leased_until")


def downgrade() -> None:
    op.add_column("deliveries", sa.Column("leased_until", sa.BigInteger(), nullable=True))
    op.create_table(
        "scan_jobs",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("namespace_id", _id(), nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_scan_jobs")),
    )
    op.drop_table("jobs")
