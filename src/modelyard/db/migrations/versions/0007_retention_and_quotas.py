"""Retention rules and quotas of namespaces, and marks of versions that must be kept."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("namespaces", sa.Column("retention", sa.Text()))
    op.add_column("namespaces", sa.Column("quota_bytes", sa.BigInteger()))
    op.add_column("models", sa.Column("version_bytes", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("versions", sa.Column("kept", sa.Text()))
    op.execute(
        "UPDATE models SET version_bytes = COALESCE((SELECT SUM(f.size_bytes) FROM versions v "
        "JOIN manifests f ON f.id = v.manifest_id WHERE v.model_id = models.id AND v.state <> 'deleted'), 0)"
    )
