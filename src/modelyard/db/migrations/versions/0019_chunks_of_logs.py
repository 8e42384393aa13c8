"""Long logs of builds in the blob store, and the bytes of builds, which count towards the quota of a namespace."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    big, number = sa.BigInteger(), sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "build_log_chunks",
        sa.Column("build_id", number, nullable=False),
        sa.Column("position", big, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("step_position", big, nullable=False),
        sa.Column("step_line", big, nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("build_id", "position", name="pk_build_log_chunks"),
        sa.ForeignKeyConstraint(["build_id"], ["builds.id"], name="fk_build_log_chunks_build_id"),
    )
    op.create_index("ix_build_log_chunks_digest", "build_log_chunks", ["digest"])
    op.create_index(
        "ix_build_log_chunks_step", "build_log_chunks", ["build_id", "attempt", "step", "step_position"]
    )
    is_built = sa.text("build IS NOT NULL")
    for table in ("versions", "checks"):
        op.create_index(f"ix_{table}_build", table, ["build"], sqlite_where=is_built, postgresql_where=is_built)
    op.add_column("builds", sa.Column("counted_bytes", big, nullable=False, server_default="0"))
    op.add_column("models", sa.Column("build_bytes", big, nullable=False, server_default="0"))
    op.execute(
        "UPDATE builds SET counted_bytes = COALESCE((SELECT b.size_bytes FROM blobs b WHERE b.digest = builds.bundle), 0) "
        "+ CASE WHEN ended_at IS NULL THEN 0 ELSE log_bytes END"
    )
    op.execute(
        "UPDATE models SET build_bytes = "
        "COALESCE((SELECT SUM(b.counted_bytes) FROM builds b WHERE b.model_id = models.id), 0)"
    )
