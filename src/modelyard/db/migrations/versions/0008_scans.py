"""Scans of files, the quarantine, and what a namespace trusts.

Files that are here already are pending: the worker looks into them when the new release starts, and until
then they are not served.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def _id() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("blobs", sa.Column("scan", sa.Text(), nullable=True))
    op.add_column("manifests", sa.Column("scan", sa.Text(), server_default="pending", nullable=False))
    op.create_index("ix_manifests_scan_id", "manifests", ["scan", "id"], unique=False)
    op.add_column("versions", sa.Column("quarantined", sa.Integer(), server_default="0", nullable=False))
    op.add_column("versions", sa.Column("released", sa.Text(), nullable=True))
    op.create_table(
        "scan_trusts",
        sa.Column("namespace_id", _id(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor_id", _id(), nullable=False),
        sa.ForeignKeyConstraint(["namespace_id"], ["namespaces.id"], name=op.f("fk_scan_trusts_namespace_id")),
        sa.ForeignKeyConstraint(["actor_id"], ["actors.id"], name=op.f("fk_scan_trusts_actor_id")),
        sa.PrimaryKeyConstraint("namespace_id", "name", name=op.f("pk_scan_trusts")),
    )


def downgrade() -> None:
    op.drop_table("scan_trusts")
    op.drop_column("versions", "released")
    op.drop_column("versions", "quarantined")
    op.drop_index("ix_manifests_scan_id", "manifests")
    op.drop_column("manifests", "scan")
    op.drop_column("blobs", "scan")
