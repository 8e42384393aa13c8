"""Work that outlives a request."""

from __future__ import annotations

import sqlalchemy as sa

from modelyard.db.tables.base import id_column, metadata, moment

IS_OPEN = sa.text("state IN ('waiting', 'running')")
"""Written like the index's condition, so that both databases use the index for open jobs."""
HAS_STARTED = sa.text("started_at IS NOT NULL")

jobs = sa.Table(
    "jobs",
    metadata,
    id_column(),
    sa.Column("kind", sa.Text, nullable=False),
    # JSON, whose form belongs to the kind.
    sa.Column("payload", sa.Text, nullable=False),
    # Open jobs of a kind have different keys; NULL: any number of jobs may be open.
    sa.Column("key", sa.Text),
    # A name; NULL: the job concerns no namespace, or several. No foreign key, since a job may outlive its namespace.
    sa.Column("namespace", sa.Text),
    # Jobs of one kind take turns by share; '' is a share too.
    sa.Column("share", sa.Text, nullable=False, server_default=""),
    # Higher values come first. Below 0: only when no other job of the kind waits.
    sa.Column("priority", sa.Integer, nullable=False, server_default="0"),
    # waiting, running, done, failed or cancelled
    sa.Column("state", sa.Text, nullable=False),
    # Grows each time the job is taken, so that an earlier holder is recognised by its number.
    sa.Column("attempt", sa.Integer, nullable=False, server_default="0"),
    # Consecutive attempts; a job that asks to run again begins at 0.
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    # NULL: retried until it succeeds.
    sa.Column("max_failures", sa.Integer),
    # The job does not run before this time.
    moment("due_at"),
    moment("leased_until", nullable=True),
    sa.Column("holder", sa.Text),
    # Progress of the running attempt: 0 to 1, and a line for people.
    sa.Column("progress", sa.Float, nullable=False, server_default="0"),
    sa.Column("note", sa.Text, nullable=False, server_default=""),
    sa.Column("cancel_asked", sa.Integer, nullable=False, server_default="0"),
    # The reason of the last failure.
    sa.Column("failure", sa.Text),
    # JSON
    sa.Column("result", sa.Text),
    moment("created_at"),
    # Times of the last attempt.
    moment("started_at", nullable=True),
    moment("finished_at", nullable=True),
    # A queue's statistics are always out of date, and without good ones PostgreSQL picks any index that begins with the
    # searched columns. So only one index begins with the kind.
    sa.Index("ix_jobs_turns", "kind", "state", "share", "priority", "due_at", "id"),
    sa.Index("ix_jobs_open_key", "key", "kind", unique=True, sqlite_where=IS_OPEN, postgresql_where=IS_OPEN),
    sa.Index(
        "ix_jobs_last_turn",
        "share",
        "kind",
        "started_at",
        sqlite_where=HAS_STARTED,
        postgresql_where=HAS_STARTED,
    ),
    sa.Index("ix_jobs_finished_at", "finished_at"),
)
