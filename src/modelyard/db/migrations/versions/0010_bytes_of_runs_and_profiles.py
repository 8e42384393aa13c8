"""Bytes of the files of runs and of the profiles of datasets, which count towards the quota of a namespace."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("experiments", sa.Column("file_bytes", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("datasets", sa.Column("profile_bytes", sa.BigInteger(), nullable=False, server_default="0"))
    op.execute(
        "UPDATE experiments SET file_bytes = COALESCE((SELECT SUM(a.size_bytes) FROM run_artifacts a "
        "JOIN runs r ON r.id = a.run_id WHERE r.experiment_id = experiments.id), 0)"
    )
    op.execute(
        "UPDATE datasets SET profile_bytes = COALESCE((SELECT SUM(b.size_bytes) FROM dataset_versions v "
        "JOIN blobs b ON b.digest = v.profile WHERE v.dataset_id = datasets.id), 0)"
    )
