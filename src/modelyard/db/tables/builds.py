"""Builds: trainings that the registry carries out, their attempts, steps and logs."""

from __future__ import annotations

import sqlalchemy as sa

from modelyard.db.tables.base import BigId, id_column, metadata, moment

IS_OPEN_BUILD = sa.text("ended_at IS NULL")
"""Written like the index's condition, so that both databases use the index for builds that have not ended."""

builds = sa.Table(
    "builds",
    metadata,
    id_column(),
    # 32 hex digits.
    sa.Column("uid", sa.Text, nullable=False, unique=True),
    sa.Column("model_id", BigId, sa.ForeignKey("models.id"), nullable=False),
    # queued, starting, running, cancelling, succeeded, failed, cancelled, timed-out or lost
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("pool", sa.Text, nullable=False),
    sa.Column("recipe", sa.Text, nullable=False),
    # Digest of the source bundle; NULL: the build has none.
    sa.Column("bundle", sa.Text, index=True),
    # The code fact of the bundled folder, JSON.
    sa.Column("source", sa.Text, nullable=False, server_default="{}"),
    # All params, those of the recipe too, JSON.
    sa.Column("params", sa.Text, nullable=False, server_default="{}"),
    # uid of the build that this one repeats.
    sa.Column("rerun_of", sa.Text),
    # Number of the newest attempt; 0: none yet.
    sa.Column("attempt", sa.Integer, nullable=False, server_default="0"),
    # The step that runs, or the one that failed.
    sa.Column("step", sa.Text),
    # Number of the registered version, and id of the promotion that was asked for. No foreign keys, since both may be
    # redacted or deleted by rules of their own.
    sa.Column("version_number", sa.Integer),
    sa.Column("promotion_id", BigId),
    sa.Column("log_bytes", sa.BigInteger, nullable=False, server_default="0"),
    # Grows with every change of the build, its steps and its log.
    sa.Column("revision", sa.BigInteger, nullable=False, server_default="1"),
    sa.Column("requested_by", BigId, sa.ForeignKey("actors.id"), nullable=False),
    moment("created_at"),
    # Time of the first attempt.
    moment("started_at", nullable=True),
    moment("cancel_asked_at", nullable=True),
    moment("ended_at", nullable=True),
    # Number of the schedule that started it. No foreign key, since a schedule may be deleted.
    sa.Column("schedule_id", BigId),
    # Number of the version that the build repeats, to compare its result; NULL: it registers a version of its own.
    sa.Column("reproduces", sa.Integer),
    # Number of the version whose record the build was made from, with changes.
    sa.Column("parent", sa.Integer),
    # What the record fixes, JSON: inputs, lock_run, variables, is_warm, tolerance.
    sa.Column("pins", sa.Text, nullable=False, server_default="{}"),
    # identical, equal, different, not-deterministic or impossible; NULL: not compared.
    sa.Column("verdict", sa.Text),
    # What was compared and what differs, JSON.
    sa.Column("findings", sa.Text),
    # What counts towards the quota of the namespace: the bundle, and the log once the build has ended.
    sa.Column("counted_bytes", sa.BigInteger, nullable=False, server_default="0"),
    # In the queue of the pool: below 0 low, above 0 high.
    sa.Column("priority", sa.Integer, nullable=False, server_default="0"),
    sa.Index("ix_builds_model_id_id", "model_id", "id"),
    sa.Index("ix_builds_schedule_id_id", "schedule_id", "id"),
    sa.Index("ix_builds_open", "id", sqlite_where=IS_OPEN_BUILD, postgresql_where=IS_OPEN_BUILD),
)

build_attempts = sa.Table(
    "build_attempts",
    metadata,
    id_column(),
    sa.Column("build_id", BigId, sa.ForeignKey("builds.id"), nullable=False),
    # From 1.
    sa.Column("number", sa.Integer, nullable=False),
    # starting, running, succeeded, failed, cancelled, timed-out or lost
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    # The machine that runs the agent.
    sa.Column("host", sa.Text, nullable=False),
    # The token of the agent; it alone may report.
    sa.Column("token_id", BigId, sa.ForeignKey("tokens.id"), nullable=False, index=True),
    # Number of the last stored frame.
    sa.Column("last_number", sa.BigInteger, nullable=False, server_default="0"),
    # The data that the attempt reads, resolved when it started: a JSON list.
    sa.Column("inputs", sa.Text, nullable=False, server_default="[]"),
    moment("created_at"),
    # The last message of the agent; NULL: none yet.
    moment("heard_at", nullable=True),
    # The agent claimed the attempt.
    moment("started_at", nullable=True),
    moment("ended_at", nullable=True),
    # Process, workspace and token are gone.
    moment("cleaned_at", nullable=True),
    # The last time at which the executor had not started the agent, because it waited for room or was away.
    moment("held_at", nullable=True),
    # The token that the executor was told, until the first report of the agent; it only begins the attempt.
    sa.Column("ticket_id", BigId),
    # Digest of the word that its agent chose when it claimed the attempt; steps, which have the token, do not know it.
    sa.Column("claim", sa.Text, nullable=False, server_default=""),
    sa.UniqueConstraint("build_id", "number"),
)

build_steps = sa.Table(
    "build_steps",
    metadata,
    sa.Column("attempt_id", BigId, sa.ForeignKey("build_attempts.id"), primary_key=True),
    # Place in the order of the steps, from 0.
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    # waiting, running, ok, failed, skipped or reused
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("exit_code", sa.Integer),
    # By the clock of the agent.
    moment("started_at", nullable=True),
    moment("ended_at", nullable=True),
    sa.Column("resources", sa.Text, nullable=False, server_default="{}"),
    sa.Column("log_bytes", sa.BigInteger, nullable=False, server_default="0"),
    # The last line of its log as long as it is not complete, so that whole lines are masked.
    sa.Column("open_line", sa.Text, nullable=False, server_default=""),
    # 1: the log is inside a private key that spans lines.
    sa.Column("in_key", sa.Integer, nullable=False, server_default="0"),
    sa.Column("log_lines", sa.BigInteger, nullable=False, server_default="0"),
)

# The log of a build, in the order of arrival. Above a limit only its beginning and its end are kept.
build_logs = sa.Table(
    "build_logs",
    metadata,
    sa.Column("build_id", BigId, sa.ForeignKey("builds.id"), primary_key=True),
    # Position of the text in the log of the build, in bytes of UTF-8.
    sa.Column("position", sa.BigInteger, primary_key=True),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("step", sa.Text, nullable=False),
    # Position in the log of the step in this attempt.
    sa.Column("step_position", sa.BigInteger, nullable=False),
    sa.Column("size_bytes", sa.Integer, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    # Number of lines of the step before the text.
    sa.Column("step_line", sa.BigInteger, nullable=False, server_default="0"),
    # When lines of the text arrived: "line:milliseconds" for the first line of each time, with spaces between.
    sa.Column("times", sa.Text, nullable=False, server_default=""),
    sa.Index("ix_build_logs_step", "build_id", "attempt", "step", "step_position"),
)

# Parts of long logs that are in the blob store, in place of their rows.
build_log_chunks = sa.Table(
    "build_log_chunks",
    metadata,
    sa.Column("build_id", BigId, sa.ForeignKey("builds.id"), primary_key=True),
    # As in build_logs.
    sa.Column("position", sa.BigInteger, primary_key=True),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("step", sa.Text, nullable=False),
    sa.Column("step_position", sa.BigInteger, nullable=False),
    sa.Column("step_line", sa.BigInteger, nullable=False),
    # Of the text; the stored bytes are compressed.
    sa.Column("size_bytes", sa.Integer, nullable=False),
    sa.Column("digest", sa.Text, nullable=False, index=True),
    sa.Index("ix_build_log_chunks_step", "build_id", "attempt", "step", "step_position"),
)

# Secrets that builds of a namespace use by name.
build_secrets = sa.Table(
    "build_secrets",
    metadata,
    sa.Column("namespace_id", BigId, sa.ForeignKey("namespaces.id"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    # Encrypted with the server's key; never shown.
    sa.Column("sealed", sa.Text, nullable=False),
    sa.Column("set_by", BigId, sa.ForeignKey("actors.id"), nullable=False),
    moment("set_at"),
)
