"""What of its gates a policy made weaker stands beside it, and every row is vouched for by an event.

Policies from before this count as not weakened.
"""

import time

import sqlalchemy as sa
from alembic import op

from modelyard.db import log, row_notes
from modelyard.db.transaction import PendingEvent
from modelyard.domain.events import RowsWritten

revision = "0014"
down_revision = "0013"

_BLOCK = 1000


def upgrade() -> None:
    with op.batch_alter_table("policies") as batch:
        batch.add_column(sa.Column("weakened", sa.Text()))
    _vouch_for_present_rows(op.get_bind())


def _vouch_for_present_rows(connection: sa.Connection) -> None:
    """From here on every row has an event that names it; those that are there get theirs now."""
    row_notes.create_key(connection)
    key = row_notes.find_key(connection)
    noted: list[row_notes.RowNote] = []
    present = set(sa.inspect(connection).get_table_names())
    for table in row_notes.covered_tables():
        if table.name in present:
            columns = {column["name"] for column in sa.inspect(connection).get_columns(table.name)}
            names = [name for name in row_notes.covered_columns(table) if name in columns]
            rows = row_notes.list_rows(connection, key, table, names)
            noted += [row_notes.RowNote(table.name, place, digest) for place, digest in rows]
    if not noted:
        return
    now = time.time_ns() // 1000
    blocks = [noted[start : start + _BLOCK] for start in range(0, len(noted), _BLOCK)]
    pending = [PendingEvent(RowsWritten(), 0, "server", 0, now, rows) for rows in blocks]
    log.store_events(connection, log.lock_head(connection), pending)


def downgrade() -> None:
    with op.batch_alter_table("policies") as batch:
        batch.drop_column("weakened")
