"""Runs: what a training said of itself while it went on (decision record 0015)."""

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
    # Moved by each new run of it: the order of the list.
    moment("updated_at"),
    sa.Column("run_count", sa.BigInteger, nullable=False, server_default="0"),
    sa.UniqueConstraint("namespace_id", "name"),
)

runs = sa.Table(
    "runs",
    metadata,
    # In the order of arrival: the order of lists, whatever the clients' clocks say.
    id_column(),
    # Chosen by the client, so that a run can begin without the server: 32 hex digits.
    sa.Column("uid", sa.Text, nullable=False, unique=True),
    sa.Column("namespace_id", BigId, sa.ForeignKey("namespaces.id"), nullable=False),
    sa.Column("experiment_id", BigId, sa.ForeignKey("experiments.id"), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    # The uid of the run it is nested in; no foreign key, because a child may arrive before its parent.
    sa.Column("parent", sa.Text),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("exit_code", sa.Integer),
    # By the clock of the machine that trains.
    moment("started_at"),
    moment("ended_at", nullable=True),
    # By the server's clock: when it last heard of the run.
    moment("heard_at"),
    # Server's clock minus client's, microseconds, when last compared.
    sa.Column("clock_skew", sa.BigInteger, nullable=False, server_default="0"),
    # code, environment, image, resources, … JSON.
    sa.Column("facts", sa.Text, nullable=False, server_default="{}"),
    # What was cut or left out, in words, JSON list.
    sa.Column("notes", sa.Text, nullable=False, server_default="[]"),
    sa.Column("log_bytes", sa.BigInteger, nullable=False, server_default="0"),
    moment("created_at"),
    sa.Column("created_by", BigId, sa.ForeignKey("actors.id"), nullable=False),
    sa.Index("ix_runs_namespace_id_id", "namespace_id", "id"),
    sa.Index("ix_runs_experiment_id_id", "experiment_id", "id"),
    sa.Index("ix_runs_parent", "parent"),
)

# The number up to which a writer's records are stored: what makes a repeated batch harmless.
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
    # Without the value, which may be longer than PostgreSQL takes into an index.
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

# One row a metric: its newest value, and what the whole series says. Infinite values and NaN are stored as
# text in `last_text`, because not every database orders them alike; they take no part in least and most.
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

# Points of a series by the block, in order of arrival; the summary comes before the block, so that a chart
# of a long series reads summaries alone.
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
    # Of the finite values, with the step and time of each; None: there is none.
    sa.Column("least", sa.Double),
    sa.Column("least_step", sa.BigInteger),
    sa.Column("least_at", sa.BigInteger),
    sa.Column("most", sa.Double),
    sa.Column("most_step", sa.BigInteger),
    sa.Column("most_at", sa.BigInteger),
    # registry/runs/series.py draws the layout.
    sa.Column("block", sa.LargeBinary, nullable=False),
)

run_inputs = sa.Table(
    "run_inputs",
    metadata,
    sa.Column("run_id", BigId, sa.ForeignKey("runs.id"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, primary_key=True),
    # What a version's record carries as one of its `data`, JSON.
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
    # Who let these bytes out of the quarantine in this run, JSON: by, at, reason, verdict, alone; None: no one.
    sa.Column("released", sa.Text),
    # The account that logged these bytes here; None: before this was noted. Without a foreign key, which SQLite
    # cannot add.
    sa.Column("logged_by", BigId),
)

run_log = sa.Table(
    "run_log",
    metadata,
    sa.Column("run_id", BigId, sa.ForeignKey("runs.id"), primary_key=True),
    # Where in the log, in bytes of UTF-8, the text begins.
    sa.Column("position", sa.BigInteger, primary_key=True),
    sa.Column("text", sa.Text, nullable=False),
)

# Which versions came out of a run; such a run is not deleted.
run_versions = sa.Table(
    "run_versions",
    metadata,
    sa.Column("run_id", BigId, sa.ForeignKey("runs.id"), primary_key=True),
    sa.Column("version_id", BigId, sa.ForeignKey("versions.id"), primary_key=True, index=True),
)
