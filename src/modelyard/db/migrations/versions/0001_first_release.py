"""The tables of the first release, in the SQL file next to this one.

Written once from db/tables/. Each later change is a new migration; a data folder with this schema is kept in
tests/migrations/.
"""

from pathlib import Path
from string import Template

import sqlalchemy as sa
from alembic import op

from modelyard.db import row_notes, schema

revision = "0001"
down_revision = None

# SQLite generates ids only in a column of type INTEGER.
_TYPES = {
    "sqlite": {"serial": "INTEGER", "reference": "INTEGER", "double": "DOUBLE", "binary": "BLOB"},
    "postgresql": {
        "serial": "BIGSERIAL",
        "reference": "BIGINT",
        "double": "DOUBLE PRECISION",
        "binary": "BYTEA",
    },
}


def upgrade() -> None:
    connection = op.get_bind()
    tables = Template(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))
    for statement in tables.substitute(_TYPES[connection.dialect.name]).split(";\n"):
        if statement:
            connection.exec_driver_sql(statement)
    op.bulk_insert(sa.table("event_head", sa.column("id"), sa.column("size")), [{"id": 1, "size": 0}])
    schema.create_search_table(connection)
    schema.create_log_guards(connection)
    row_notes.create_key(connection)
