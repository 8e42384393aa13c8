"""Runs: the values that a training logged while it ran (decision record 0015)."""

from __future__ import annotations

import sqlalchemy as sa

from modelyard.db.tables.base import BigId, id_column, metadata, moment

experiments = sa.Table(
    "experiments",
    metadata,
    id_column(),
    sa.Column("namespace_id", BigId, sa.ForeignKey("namespaces.id"), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    moment("created_at"),
    sa.Column("created_by", BigId, sa.ForeignKey("actors.id"), nullable=False),
    # Time of the newest run; lists are ordered by it.
    moment("updated_at"),
    sa.Column("run_count", sa.BigInteger, nullable=False, server_default="0"),
    # Sum of the sizes of the files of its runs; a path that is logged again counts once.
    sa.Column("file_bytes", sa.BigInteger, nullable=False, server_default="0"),
    sa.UniqueConstraint("namespace_id", "name"),
)

runs = sa.Table(
    "runs",
    metadata,
    # In the order of arrival, which is also the order of lists, whatever the clients' clocks show.
    id_column(),
    # 32 hex digits, chosen by the client, so that a run can begin without the server.
    sa.Column("uid", sa.Text, nullable=False, unique=True),
    sa.Column("namespace_id", BigId, sa.ForeignKey("namespaces.id"), nullable=False),
    sa.Column("experiment_id", BigId, sa.ForeignKey("experiments.id"), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    # The uid of the run that contains it; no foreign key, because a child may arrive before its parent.
    sa.Column("parent", sa.Text),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("exit_code", sa.Integer),
    # By the clock of the training machine.
    moment("started_at"),
    moment("ended_at", nullable=True),
    # The last message about the run, by the server's clock.
    moment("heard_at"),
    # Server's clock minus client's at the last comparison, in microseconds.
    sa.Column("clock_skew", sa.BigInteger, nullable=False, server_default="0"),
    # code, environment, image, resources, … JSON.
    sa.Column("facts", sa.Text, nullable=False, server_default="{}"),
    # Notes on records that were cut or left out, JSON list.
    sa.Column("notes", sa.Text, nullable=False, server_default="[]"),
    sa.Column("log_bytes", sa.BigInteger, nullable=False, server_default="0"),
    moment("created_at"),
    sa.Column("created_by", BigId, sa.ForeignKey("actors.id"), nullable=False),
    # The Git commit of its code fact, as 7 to 64 lowercase hex digits; NULL: it names none.
    sa.Column("code_commit", sa.Text),
    sa.Index("ix_runs_namespace_id_id", "namespace_id", "id"),
    sa.Index("ix_runs_experiment_id_id", "experiment_id", "id"),
    sa.Index("ix_runs_parent", "parent"),
    sa.Index(
        "ix_runs_code_commit",
        "code_commit",
        sqlite_where=sa.text("code_commit IS NOT NULL"),
        postgresql_where=sa.text("code_commit IS NOT NULL"),
    ),
    sa.Index(
        "ix_runs_running",
        "id",
        sqlite_where=sa.text("status = 'running'"),
        postgresql_where=sa.text("status = 'running'"),
    ),
)

# The number up to which a writer's records are stored, so that a repeated batch does no harm.
run_writers = sa.Table(
    "run_writers",
    metadata,
    sa.Column("run_id", BigId, sa.ForeignKey("runs.id"), primary_key=True),
    sa.Column("writer", sa.Text, primary_key=True),
    sa.Column("last_number", sa.BigInteger, nullable=False),
)

run_params = sa.Table(
    "run_params",
    metadata,
    sa.Column("run_id", BigId, sa.ForeignKey("runs.id"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    # JSON.
    sa.Column("value", sa.Text, nullable=False),
    # The value is not indexed, because it may be too long for PostgreSQL.
    sa.Index("ix_run_params_name", "name"),
)

run_tags = sa.Table(
    "run_tags",
    metadata,
    sa.Column("run_id", BigId, sa.ForeignKey("runs.id"), primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
    sa.Index("ix_run_tags_key", "key"),
)

# One row per metric: its newest value, and figures of the whole series. Infinite values and NaN are stored as text
# in `last_text`, because databases order them differently; `least` and `most` ignore them.
run_metrics = sa.Table(
    "run_metrics",
    metadata,
    id_column(),
    sa.Column("run_id", BigId, sa.ForeignKey("runs.id"), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("last_value", sa.Double),
    sa.Column("last_text", sa.Text),
    sa.Column("last_step", sa.BigInteger, nullable=False),
    moment("last_at"),
    sa.Column("least", sa.Double),
    sa.Column("most", sa.Double),
    sa.Column("count", sa.BigInteger, nullable=False),
    sa.Column("special_count", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("next_chunk", sa.BigInteger, nullable=False, server_default="1"),
    sa.UniqueConstraint("run_id", "name"),
    sa.Index("ix_run_metrics_name_last_value", "name", "last_value"),
)

# Blocks of points of a series, in order of arrival. The summary precedes the block, so that a chart of a long series
# reads only summaries.
run_points = sa.Table(
    "run_points",
    metadata,
    sa.Column("metric_id", BigId, sa.ForeignKey("run_metrics.id"), primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True),
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("special_count", sa.Integer, nullable=False),
    sa.Column("first_step", sa.BigInteger, nullable=False),
    sa.Column("last_step", sa.BigInteger, nullable=False),
    sa.Column("first_at", sa.BigInteger, nullable=False),
    sa.Column("last_at", sa.BigInteger, nullable=False),
    # Extremes of the finite values, with the step and time of each; None: there are none.
    sa.Column("least", sa.Double),
    sa.Column("least_step", sa.BigInteger),
    sa.Column("least_at", sa.BigInteger),
    sa.Column("most", sa.Double),
    sa.Column("most_step", sa.BigInteger),
    sa.Column("most_at", sa.BigInteger),
    # The layout is described in registry/runs/series.py.
    sa.Column("block", sa.LargeBinary, nullable=False),
)

run_inputs = sa.Table(
    "run_inputs",
    metadata,
    sa.Column("run_id", BigId, sa.ForeignKey("runs.id"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, primary_key=True),
    # An entry for the `data` of a version's record, JSON.
    sa.Column("entry", sa.Text, nullable=False),
    moment("at"),
    sa.Column("actor_id", BigId, sa.ForeignKey("actors.id"), nullable=False),
    sa.Index("ix_run_inputs_digest", "digest"),
)

run_artifacts = sa.Table(
    "run_artifacts",
    metadata,
    sa.Column("run_id", BigId, sa.ForeignKey("runs.id"), primary_key=True),
    sa.Column("path", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False, index=True),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("media_type", sa.Text, nullable=False, server_default=""),
    moment("at"),
    # The release of these bytes from the quarantine in this run, JSON: by, at, reason, verdict, alone; None: none.
    sa.Column("released", sa.Text),
    # The account that logged these bytes here; None: they are older than this column. SQLite cannot add a foreign
    # key.
    sa.Column("logged_by", BigId),
)

run_log = sa.Table(
    "run_log",
    metadata,
    sa.Column("run_id", BigId, sa.ForeignKey("runs.id"), primary_key=True),
    # Position of the text in the log, in bytes of UTF-8.
    sa.Column("position", sa.BigInteger, primary_key=True),
    sa.Column("text", sa.Text, nullable=False),
)

# Versions that runs produced; such a run cannot be deleted.
run_versions = sa.Table(
    "run_versions",
    metadata,
    sa.Column("run_id", BigId, sa.ForeignKey("runs.id"), primary_key=True),
    sa.Column("version_id", BigId, sa.ForeignKey("versions.id"), primary_key=True, index=True),
)
