"""The semantic version of a version, and the address of its pull request."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    for name in ("semver", "pull_request"):
        op.add_column("versions", sa.Column(name, sa.Text()))
        given = sa.text(f"{name} IS NOT NULL")
        op.create_index(
            f"ix_versions_{name}", "versions", ["model_id", name], sqlite_where=given, postgresql_where=given
        )
