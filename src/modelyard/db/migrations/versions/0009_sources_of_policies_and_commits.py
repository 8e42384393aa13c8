"""The file in a repository that a policy is set from, and an index of the commits of versions and runs."""

import json
import re

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_BATCH = 1000
_COMMIT = re.compile(r"[0-9a-f]{7,64}")


def upgrade() -> None:
    op.add_column("policies", sa.Column("source_url", sa.Text()))
    op.add_column("policies", sa.Column("source_commit", sa.Text()))
    given = sa.text("code_commit IS NOT NULL")
    for table, facts in (("versions", "record"), ("runs", "facts")):
        op.add_column(table, sa.Column("code_commit", sa.Text()))
        _fill(op.get_bind(), table, facts)
        op.create_index(
            f"ix_{table}_code_commit", table, ["code_commit"], sqlite_where=given, postgresql_where=given
        )


def _fill(connection: sa.Connection, table: str, facts: str) -> None:
    """Store the commit of each row whose facts name one, batch by batch in the order of the ids."""
    rows = sa.table(table, sa.column("id"), sa.column(facts), sa.column("code_commit"))
    keep = sa.update(rows).where(rows.c.id == sa.bindparam("row")).values(code_commit=sa.bindparam("commit"))
    last = 0
    while True:
        batch = connection.execute(
            sa.select(rows.c.id, rows.c[facts]).where(rows.c.id > last).order_by(rows.c.id).limit(_BATCH)
        ).all()
        if not batch:
            return
        found = [{"row": row, "commit": commit} for row, text in batch if (commit := _commit(text))]
        if found:
            connection.execute(keep, found)
        last = batch[-1][0]


def _commit(text: str) -> str | None:
    code = json.loads(text).get("code")
    commit = code.get("commit") if isinstance(code, dict) else None
    plain = commit.strip().lower() if isinstance(commit, str) else ""
    return plain if _COMMIT.fullmatch(plain) else None
