"""Schedules and triggers, which start builds without a person, and what became of each of their times."""

from __future__ import annotations

import sqlalchemy as sa

from modelyard.db.tables.base import BigId, id_column, metadata, moment

schedules = sa.Table(
    "schedules",
    metadata,
    id_column(),
    sa.Column("model_id", BigId, sa.ForeignKey("models.id"), nullable=False, index=True),
    # The account in whose name the builds run: the last one that created, edited or resumed it.
    sa.Column("owner_id", BigId, sa.ForeignKey("actors.id"), nullable=False),
    # cron, interval, dataset or version
    sa.Column("kind", sa.Text, nullable=False),
    # The cron expression, the interval, the dataset, or the model with an alias or a stage.
    sa.Column("expression", sa.Text, nullable=False),
    # Of a cron expression: an IANA time zone.
    sa.Column("zone", sa.Text, nullable=False, server_default="UTC"),
    # The model whose new versions start a build.
    sa.Column("parent_id", BigId, sa.ForeignKey("models.id")),
    # latest or skip
    sa.Column("missed", sa.Text, nullable=False),
    # skip, queue or replace
    sa.Column("overlap", sa.Text, nullable=False),
    sa.Column("jitter_seconds", sa.Integer, nullable=False, server_default="0"),
    sa.Column("debounce_seconds", sa.Integer, nullable=False, server_default="0"),
    # So many builds in a row that do not succeed pause it; 0: none do.
    sa.Column("pause_after", sa.Integer, nullable=False, server_default="0"),
    # What is built, as in `builds`.
    sa.Column("recipe", sa.Text, nullable=False),
    sa.Column("bundle", sa.Text, index=True),
    sa.Column("source", sa.Text, nullable=False, server_default="{}"),
    sa.Column("params", sa.Text, nullable=False, server_default="{}"),
    sa.Column("pool", sa.Text),
    # active or paused
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("state_reason", sa.Text, nullable=False, server_default=""),
    moment("paused_at", nullable=True),
    # Builds in a row that did not succeed.
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    # The time that is next by the expression, and the time to start its build, after jitter and waiting. NULL: it is
    # paused, or a trigger for which nothing has happened.
    moment("due_at", nullable=True),
    moment("next_at", nullable=True),
    # uid of the build for whose end the time waits.
    sa.Column("waits_for", sa.Text),
    # What happened, for a trigger, and how many builds have started each other up to it.
    sa.Column("cause", sa.Text, nullable=False, server_default=""),
    sa.Column("depth", sa.Integer, nullable=False, server_default="1"),
    # A trigger looks at events from this one on: it was created, edited or resumed then.
    sa.Column("from_seq", BigId, nullable=False, server_default="0"),
    moment("created_at"),
    sa.Index("ix_schedules_next_at", "next_at"),
    sa.Index("ix_schedules_kind_expression", "kind", "expression"),
)

schedule_firings = sa.Table(
    "schedule_firings",
    metadata,
    id_column(),
    sa.Column("schedule_id", BigId, sa.ForeignKey("schedules.id"), nullable=False),
    # The time, or the first and the last of several that were skipped for the same reason.
    moment("due_at"),
    moment("last_due_at"),
    sa.Column("count", sa.Integer, nullable=False),
    # started or skipped
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("cause", sa.Text, nullable=False, server_default=""),
    # uid of the build.
    sa.Column("build", sa.Text, index=True),
    sa.Column("depth", sa.Integer, nullable=False),
    moment("decided_at"),
    sa.UniqueConstraint("schedule_id", "due_at"),
    sa.Index("ix_schedule_firings_decided_at", "decided_at"),
)
