"""Scans by bytes and rules, facts by bytes and reader, and who may let what out of the quarantine.

The files that are here keep their verdicts until the worker has looked again by the rules of this release.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def _id() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("namespaces", sa.Column("serve_unknown", sa.Integer(), server_default="0", nullable=False))
    op.add_column("blobs", sa.Column("scan_rules", sa.Integer(), server_default="0", nullable=False))
    op.create_index("ix_blobs_scan_rules", "blobs", ["scan_rules"], unique=False)
    op.create_table(
        "blob_facts",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("reader", sa.Text(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("digest", "reader", name=op.f("pk_blob_facts")),
    )
    op.create_table(
        "scan_jobs",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("namespace_id", _id(), nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_scan_jobs")),
    )
    op.add_column("scan_trusts", sa.Column("alone", sa.Integer(), server_default="0", nullable=False))
    op.add_column("scan_trusts", sa.Column("confirmed_by", _id(), nullable=True))
    # Trust that was given before counts for everybody's versions, as it did.
    op.execute("UPDATE scan_trusts SET alone = 1")
    op.add_column("run_artifacts", sa.Column("released", sa.Text(), nullable=True))
    op.add_column("run_artifacts", sa.Column("logged_by", _id(), nullable=True))
    # Only the reader of cards leaves its mark in what it read; the worker reads all others again.
    op.execute(
        "INSERT INTO blob_facts (digest, reader, facts) "
        """SELECT digest, 'card', facts FROM blobs WHERE facts LIKE '%"sections"%'"""
    )
    op.drop_column("blobs", "facts")
    # Files of runs were not scanned before.
    op.execute(
        "INSERT INTO scan_jobs (digest, namespace_id, asked_at) "
        "SELECT blobs.digest, min(runs.namespace_id), 0 FROM blobs "
        "JOIN run_artifacts ON run_artifacts.digest = blobs.digest "
        "JOIN runs ON runs.id = run_artifacts.run_id WHERE blobs.scan IS NULL GROUP BY blobs.digest"
    )


def downgrade() -> None:
    op.add_column("blobs", sa.Column("facts", sa.Text(), nullable=True))
    op.drop_column("run_artifacts", "logged_by")
    op.drop_column("run_artifacts", "released")
    op.drop_column("scan_trusts", "confirmed_by")
    op.drop_column("scan_trusts", "alone")
    op.drop_table("scan_jobs")
    op.drop_table("blob_facts")
    op.drop_index("ix_blobs_scan_rules", "blobs")
    op.drop_column("blobs", "scan_rules")
    op.drop_column("namespaces", "serve_unknown")
